"""The four files of MNIST, as published; attribution beside them."""
