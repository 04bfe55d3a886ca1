"""One route table per noun."""
