"""Pages and pictures of tasks from images to images."""
