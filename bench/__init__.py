"""Side-by-side measurements on the cluster of `make up`: run `make bench`."""
