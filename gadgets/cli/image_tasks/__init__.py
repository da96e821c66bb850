"""Commands about tasks from image to image."""
