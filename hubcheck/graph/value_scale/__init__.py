"""The range in which pixels reach the first layer: constants and small variables on the way."""
