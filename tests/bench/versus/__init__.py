"""Two builds side by side: the base commit, the base commit again, and this tree, measured in turn from outside."""
