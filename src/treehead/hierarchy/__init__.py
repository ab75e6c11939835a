"""Labels as a tree, and what the tree makes of a mistake."""
