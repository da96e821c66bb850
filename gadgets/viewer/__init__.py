"""The explorer: all frames of an image file in one page that needs no server."""
