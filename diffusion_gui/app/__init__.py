"""The shell: composition, main window, actions, crash road."""
