"""HTML pages, figures and files: reports of what was measured, and pages about networks, observations and the
computer."""
