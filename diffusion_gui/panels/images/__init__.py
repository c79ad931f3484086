"""The image panel: a picture dissolving into noise, its film strip, the tray of pictures."""
