"""What the panels share: theme, icons, frames and fields, plots, picture views."""
