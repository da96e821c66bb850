"""One network from several sites that share no data (dissertation 8.4.3), on Flower."""
