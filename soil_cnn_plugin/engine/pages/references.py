"""The publications of the methods that a report used, ready to be cited."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Reference:
    use: str
    text: str
    doi: str = ""


_ALWAYS = (
    Reference(
        "Networks on patches of covariates",
        "Padarian, J., Minasny, B., McBratney, A. B. (2019). Using deep learning for digital soil mapping."
        " SOIL 5, 79–89.",
        "10.5194/soil-5-79-2019",
    ),
    Reference(
        "Random forest", "Breiman, L. (2001). Random forests. Machine Learning 45, 5–32.", "10.1023/A:1010933404324"
    ),
    Reference(
        "Prediction interval calibrated on held-out observations",
        "Vovk, V. (2015). Cross-conformal predictors. Annals of Mathematics and Artificial Intelligence 74, 9–28.",
        "10.1007/s10472-013-9368-4",
    ),
    Reference(
        "Interval that widens with the predicted spread",
        "Lei, J., G’Sell, M., Rinaldo, A., Tibshirani, R. J., Wasserman, L. (2018). Distribution-free predictive"
        " inference for regression. Journal of the American Statistical Association 113, 1094–1111.",
        "10.1080/01621459.2017.1307116",
    ),
    Reference(
        "Model efficiency coefficient (MEC)",
        "Janssen, P. H. M., Heuberger, P. S. C. (1995). Calibration of process-oriented models."
        " Ecological Modelling 83, 55–66.",
        "10.1016/0304-3800(95)00084-9",
    ),
    Reference(
        "Concordance correlation coefficient (CCC)",
        "Lin, L. I.-K. (1989). A concordance correlation coefficient to evaluate reproducibility."
        " Biometrics 45, 255–268.",
        "10.2307/2532051",
    ),
    Reference(
        "Coverage of prediction intervals (PICP)",
        "Schmidinger, J., Heuvelink, G. B. M. (2023). Validation of uncertainty predictions in digital soil mapping."
        " Geoderma 437, 116585.",
        "10.1016/j.geoderma.2023.116585",
    ),
    Reference(
        "Paired test over folds",
        "Nadeau, C., Bengio, Y. (2003). Inference for the generalization error. Machine Learning 52, 239–281.",
        "10.1023/A:1024068626366",
    ),
    Reference(
        "What cross-validation can and cannot tell of a map",
        "Wadoux, A. M. J.-C., Heuvelink, G. B. M., de Bruin, S., Brus, D. J. (2021). Spatial cross-validation is not"
        " the right way to evaluate map accuracy. Ecological Modelling 457, 109692.",
        "10.1016/j.ecolmodel.2021.109692",
    ),
)
_OF_FOLDS = {
    "spatial_blocks": Reference(
        "Spatial blocks",
        "Roberts, D. R. et al. (2017). Cross-validation strategies for data with temporal, spatial, hierarchical, or"
        " phylogenetic structure. Ecography 40, 913–929.",
        "10.1111/ecog.02881",
    ),
    "knndm": Reference(
        "Folds matched to the distances of the map (kNNDM)",
        "Linnenbrink, J., Milà, C., Ludwig, M., Meyer, H. (2024). kNNDM CV: k-fold nearest-neighbour distance matching"
        " cross-validation for map accuracy estimation. Geoscientific Model Development 17, 5897–5912.",
        "10.5194/gmd-17-5897-2024",
    ),
}
_SMEARING = Reference(
    "Mean of a property that was learned on a transformed scale",
    "Duan, N. (1983). Smearing estimate: a nonparametric retransformation method. Journal of the American Statistical"
    " Association 78, 605–610.",
    "10.1080/01621459.1983.10478017",
)


def references(kind_of_folds: str, is_transformed: bool) -> list[Reference]:
    """In the order of the method; `is_transformed`: a target was learned on another scale than its own."""
    smearing = [_SMEARING] if is_transformed else []
    folds = [_OF_FOLDS[kind_of_folds]] if kind_of_folds in _OF_FOLDS else []
    return [*_ALWAYS[:4], *smearing, *folds, *_ALWAYS[4:]]
