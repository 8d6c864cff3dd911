"""126 small projects that reporters get wrong, and what a perfect collector stores of them."""
