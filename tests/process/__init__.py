"""drorch as processes of its own: started, killed, started again."""
