"""The waist between QGIS and the engine: jobs go in, events come out; standard library only."""
