"""How models are trained: a step for each family (VAE, CVAE, GAN, classifier), and the loop that repeats it."""
