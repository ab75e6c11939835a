"""Label trees: how they are read, and the severity of mistakes in them."""
