"""The training panel: a network learns from pictures while one watches."""
