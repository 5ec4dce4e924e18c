"""What `make verify` lets each metric change between machines.

On one machine nothing changes. Another number of threads, another processor or a GPU rounds otherwise, and training
makes of that what a change of seed would: little in the likelihood of a VAE, much in a game between two networks. The
bounds leave room around what two quick reports on photographs differed by that had one and two threads, and where
that was less than what another seed does (the codes of InfoGAN), around that.
"""

RELATIVE: dict[float, tuple[str, ...]] = {
    0.01: (
        "vae.pca_test_mse cvae_mlp.train_loss cvae_mlp.test_loss cvae_conv.test_loss cvae_z20.test_loss",
        "vae_mlp.test_loss completion.nll_cvae completion.nll_baseline cross_entropy.test_mse squared_error.test_mse",
        "infogan_faces13.mi_bound infogan_faces13.mi_ratio infogan_faces2.mi_bound infogan_digits.mi_bound",
        "acgan.real_ceiling",
    ),
    0.02: (
        "vae.test_mse vae.test_mse_sampled vae.psnr vae.ssim vae.test_elbo vae.iwae_bound vae.kl",
        "vae.tsne_trustworthiness vae.knn_accuracy",
        "beta0.recon beta0.kl beta0.neg_elbo beta0.mse beta1.recon beta1.kl beta1.neg_elbo beta1.mse",
        "beta100.recon beta100.neg_elbo beta100.mse",
        "cvae_conv.label_consistency cvae_conv.cas cross_entropy.label_consistency squared_error.label_consistency",
        "cvae_conv.diversity",
    ),
    0.05: (
        "beta0.chroma_ratio beta1.chroma_ratio beta100.chroma_ratio beta0.prior_mmd cvae_conv.fcd",
        "cvae_conv.sharpness_ratio cross_entropy.sharpness_ratio squared_error.sharpness_ratio",
        "infogan_digits.label_consistency acgan.attribute_accuracy acgan.accuracy_ratio",
    ),
    0.15: (
        "vae.fcd beta0.prior_fcd beta0.fitted_fcd beta1.prior_fcd beta1.fitted_fcd beta100.prior_fcd",
        "beta100.fitted_fcd beta0.sharpness_ratio beta1.sharpness_ratio beta100.sharpness_ratio",
        "vae.sharpness_ratio vae.diversity real.fcd infogan_digits.fcd infogan_digits.sharpness_ratio",
        "gan.density gan.nn_distance_ratio gan.diversity acgan.diversity_ratio acgan.cas",
        "cvae_conv.image_energy_least cvae_conv.image_energy_most",
    ),
    0.3: (
        "gan.fcd gan.kid gan.fcd_ratio gan.sharpness_ratio acgan.fcd dcgan.diversity",
        "wgangp.loss_swing dcgan.loss_swing",
    ),
    0.6: (  # short games, far from their end
        "dcgan.fcd wgangp.fcd gan_short.fcd report.fcd report_few_epochs.fcd report_half_width.fcd",
        "dcgan_one_to_one.d_loss dcgan_one_to_two.d_loss",
        "report.g_loss_middle report.g_loss_end report.d_lead_middle report.d_lead_end",
    ),
}
ABSOLUTE: dict[float, tuple[str, ...]] = {  # where a value may be near zero, or counts
    0.0003: ("beta1.prior_mmd beta100.prior_mmd",),
    0.05: (
        "beta100.kl cvae_conv.label_leakage gan.coverage infogan_plain.accuracy cvae_conv.loss_rises",
        "acgan.flip_rate acgan.other_attribute_agreement",
    ),
    0.1: (
        "infogan_digits.accuracy infogan_digits.nmi infogan_digits.ari",
        "infogan_faces2.best_attribute infogan_faces2.hair_information infogan_faces2.sex_information",
        "infogan_digits.loss_rises gan.no_hair vae.no_hair real.no_hair rebuilt.no_hair",
    ),
    0.3: (
        "gan.d_loss_fcd_correlation gan.g_loss_fcd_correlation dcgan.loss_roughness wgangp.loss_roughness",
        "dcgan_one_to_one.d_loss dcgan_one_to_two.d_loss",
    ),
    0.35: ("report.diversity report_few_epochs.diversity report_half_width.diversity",),  # collapsed, or not quite
    3.0: ("vae.active_units beta0.active_units beta1.active_units beta100.active_units cvae_conv.label_filters",),
}


def spread(groups: dict[float, tuple[str, ...]]) -> dict[str, float]:
    return {name: bound for bound, lines in groups.items() for line in lines for name in line.split()}


RELATIVE_OF, ABSOLUTE_OF = spread(RELATIVE), spread(ABSOLUTE)


def tolerance(metric: str) -> tuple[float, float]:
    """What a metric may change relative to its value, and in its unit; the larger counts. KeyError if it has none."""
    if metric not in RELATIVE_OF and metric not in ABSOLUTE_OF:
        raise KeyError(metric)
    return RELATIVE_OF.get(metric, 0.0), ABSOLUTE_OF.get(metric, 0.0)
