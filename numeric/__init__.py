"""Numbers: checking gradients, reading data, training and prediction."""
