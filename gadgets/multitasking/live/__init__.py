"""What a console sees before the scan has ended, and what goes on after its first images."""
