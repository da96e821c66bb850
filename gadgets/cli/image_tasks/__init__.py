"""Commands about tasks from image to image."""
"""Commands about tasks that change images."""
