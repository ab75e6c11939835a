"""Images and labels in memory, how they are split, and how each epoch shuffles them."""
