"""The same graph and work for drorch and for what people would use instead, side by side."""
