"""One gadget for all tasks from images to images; a task is a record, in a room of its own."""
