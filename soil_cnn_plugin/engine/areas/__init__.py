"""What a network says of areas: means, totals, shares and stocks of polygons, with intervals."""
