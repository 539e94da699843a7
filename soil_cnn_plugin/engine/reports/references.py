"""The publications of the methods that a report used, ready to be cited."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from soil_cnn_plugin.engine.assessment.assessment import Assessment
from soil_cnn_plugin.engine.assessment.class_assessment import ClassAssessment
from soil_cnn_plugin.engine.assessment.methods import BLEND, FOREST, FOREST_CONTEXT, NETWORK
from soil_cnn_plugin.engine.targets.metrics import Scores


@dataclass(frozen=True)
class Reference:
    use: str
    text: str
    doi: str = ""


_NETWORK = Reference(
    "Networks on patches of covariates",
    "Padarian, J., Minasny, B., McBratney, A. B. (2019). Using deep learning for digital soil mapping. SOIL 5, 79–89.",
    "10.5194/soil-5-79-2019",
)
_BETA = Reference(
    "Loss of the networks of the architecture padarian",
    "Seitzer, M., Tavakoli, A., Antic, D., Martius, G. (2022). On the pitfalls of heteroscedastic uncertainty"
    " estimation with probabilistic neural networks. International Conference on Learning Representations.",
    "10.48550/arXiv.2203.09168",
)
_FOREST = Reference(
    "Random forest", "Breiman, L. (2001). Random forests. Machine Learning 45, 5–32.", "10.1023/A:1010933404324"
)
_FOREST_CONTEXT = Reference(
    "Random forest on smoothed covariates as the rival of a network",
    "Taghizadeh-Mehrjardi, R., Mahdianpari, M., Mohammadimanesh, F., Behrens, T., Toomanian, N., Scholten, T.,"
    " Schmidt, K. (2020). Multi-task convolutional neural networks outperformed random forest for mapping soil particle"
    " size fractions in central Iran. Geoderma 376, 114552.",
    "10.1016/j.geoderma.2020.114552",
)
_BLEND = Reference(
    "Blend with weights learned on held-out predictions",
    "Breiman, L. (1996). Stacked regressions. Machine Learning 24, 49–64.",
    "10.1007/BF00117832",
)
_CONFORMAL = Reference(
    "Prediction interval calibrated on held-out observations",
    "Vovk, V. (2015). Cross-conformal predictors. Annals of Mathematics and Artificial Intelligence 74, 9–28.",
    "10.1007/s10472-013-9368-4",
)
_SCALED = Reference(
    "Interval that widens with the predicted spread",
    "Lei, J., G’Sell, M., Rinaldo, A., Tibshirani, R. J., Wasserman, L. (2018). Distribution-free predictive"
    " inference for regression. Journal of the American Statistical Association 113, 1094–1111.",
    "10.1080/01621459.2017.1307116",
)
_SMEARING = Reference(
    "Mean of a property that was learned on a transformed scale",
    "Duan, N. (1983). Smearing estimate: a nonparametric retransformation method. Journal of the American Statistical"
    " Association 78, 605–610.",
    "10.1080/01621459.1983.10478017",
)
_OF_COMPOSITIONS = (
    Reference(
        "Parts of a whole as isometric log-ratios",
        "Egozcue, J. J., Pawlowsky-Glahn, V., Mateu-Figueras, G., Barceló-Vidal, C. (2003). Isometric logratio"
        " transformations for compositional data analysis. Mathematical Geology 35, 279–300.",
        "10.1023/A:1023818214614",
    ),
    Reference(
        "Zeros among the parts",
        "Martín-Fernández, J. A., Barceló-Vidal, C., Pawlowsky-Glahn, V. (2003). Dealing with zeros and missing values"
        " in compositional data sets using nonparametric imputation. Mathematical Geology 35, 253–278.",
        "10.1023/A:1023866030544",
    ),
    Reference(
        "Distance between compositions",
        "Aitchison, J., Barceló-Vidal, C., Martín-Fernández, J. A., Pawlowsky-Glahn, V. (2000). Logratio analysis and"
        " compositional distance. Mathematical Geology 32, 271–275.",
        "10.1023/A:1007529726302",
    ),
)
_TEXTURE = Reference(
    "Texture classes", "Soil Science Division Staff (2017). Soil survey manual. USDA Handbook 18. Washington, D.C."
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
_VALIDATION = Reference(
    "What cross-validation can and cannot tell of a map",
    "Wadoux, A. M. J.-C., Heuvelink, G. B. M., de Bruin, S., Brus, D. J. (2021). Spatial cross-validation is not"
    " the right way to evaluate map accuracy. Ecological Modelling 457, 109692.",
    "10.1016/j.ecolmodel.2021.109692",
)
_PAIRED = Reference(
    "Paired test over folds",
    "Nadeau, C., Bengio, Y. (2003). Inference for the generalization error. Machine Learning 52, 239–281.",
    "10.1023/A:1024068626366",
)
_OF_SCORES = {
    "mec": Reference(
        "Model efficiency coefficient (MEC)",
        "Janssen, P. H. M., Heuberger, P. S. C. (1995). Calibration of process-oriented models."
        " Ecological Modelling 83, 55–66.",
        "10.1016/0304-3800(95)00084-9",
    ),
    "ccc": Reference(
        "Concordance correlation coefficient (CCC)",
        "Lin, L. I.-K. (1989). A concordance correlation coefficient to evaluate reproducibility."
        " Biometrics 45, 255–268.",
        "10.2307/2532051",
    ),
    "rpiq": Reference(
        "Ratio of performance to interquartile distance (RPIQ)",
        "Bellon-Maurel, V., Fernandez-Ahumada, E., Palagos, B., Roger, J.-M., McBratney, A. (2010). Critical review of"
        " chemometric indicators commonly used for assessing the quality of the prediction of soil attributes by NIR"
        " spectroscopy. TrAC Trends in Analytical Chemistry 29, 1073–1081.",
        "10.1016/j.trac.2010.05.006",
    ),
    "picp": Reference(
        "Coverage of intervals and quantiles (PICP, QCP, PIT)",
        "Schmidinger, J., Heuvelink, G. B. M. (2023). Validation of uncertainty predictions in digital soil mapping."
        " Geoderma 437, 116585.",
        "10.1016/j.geoderma.2023.116585",
    ),
    "interval_score": Reference(
        "Interval score and CRPS",
        "Gneiting, T., Raftery, A. E. (2007). Strictly proper scoring rules, prediction, and estimation."
        " Journal of the American Statistical Association 102, 359–378.",
        "10.1198/016214506000001437",
    ),
}


_BY_DESIGN = Reference(
    "Estimates for the whole map from a probability sample",
    "Brus, D. J., Kempen, B., Heuvelink, G. B. M. (2011). Sampling for validation of digital soil maps."
    " European Journal of Soil Science 62, 394–407.",
    "10.1111/j.1365-2389.2011.01364.x",
)
_SHARE = Reference(
    "Confidence interval of the PICP",
    "Korn, E. L., Graubard, B. I. (1998). Confidence intervals for proportions with small expected number of positive"
    " counts estimated from survey data. Survey Methodology 24, 193–201.",
)
_WITHOUT_FOLDS = Reference("What a map's accuracy may be inferred from", _VALIDATION.text, _VALIDATION.doi)


def map_references(scores: Scores, is_by_design: bool) -> list[Reference]:
    """Of an assessment by independent observations; `is_by_design`: they are a probability sample."""
    found = [
        (_WITHOUT_FOLDS, True),
        (_BY_DESIGN, is_by_design),
        (_SHARE, is_by_design and _is_known([scores], "picp")),
        *((reference, _is_known([scores], name)) for name, reference in _OF_SCORES.items()),
    ]
    return [reference for reference, is_used in found if is_used]


_OF_LIMITS = (
    Reference(
        "Learning from values below detection limits",
        "Tobin, J. (1958). Estimation of relationships for limited dependent variables. Econometrica 26, 24–36.",
        "10.2307/1907382",
    ),
    Reference(
        "Distribution of residuals of which some are only known to be lower",
        "Helsel, D. R. (2012). Statistics for censored environmental data using Minitab and R. Wiley, Hoboken.",
        "10.1002/9781118162729",
    ),
    Reference(
        "Scores of what is reported above a limit",
        "Gneiting, T., Ranjan, R. (2011). Comparing density forecasts using threshold- and quantile-weighted scoring"
        " rules. Journal of Business & Economic Statistics 29, 411–422.",
        "10.1198/jbes.2010.08110",
    ),
    Reference(
        "Expected PIT of values below a limit",
        "Czado, C., Gneiting, T., Held, L. (2009). Predictive model assessment for count data. Biometrics 65,"
        " 1254–1261.",
        "10.1111/j.1541-0420.2009.01191.x",
    ),
)
_ERRORS = Reference(
    "Errors of measurement in the loss of networks",
    "Wadoux, A. M. J.-C., Padarian, J., Minasny, B. (2019). Multi-source data integration for soil mapping using deep"
    " learning. SOIL 5, 107–119.",
    "10.5194/soil-5-107-2019",
)


def references(assessment: Assessment) -> list[Reference]:
    """Of the methods that this assessment used, in the order in which a methods section names them."""
    methods = {name for target in assessment.targets for name in target.methods}
    scores = [held_out.scores for target in assessment.targets for held_out in target.methods.values()]
    has_intervals = _is_known(scores, "picp")
    found = [
        (_NETWORK, NETWORK in methods),
        (_BETA, "padarian" in {curve.architecture for curve in assessment.loss_curves}),
        (_FOREST, bool({FOREST, FOREST_CONTEXT} & methods)),
        (_FOREST_CONTEXT, FOREST_CONTEXT in methods),
        (_BLEND, BLEND in methods),
        (_CONFORMAL, has_intervals),
        (_SCALED, has_intervals),
        (_SMEARING, any(target.transform != "none" for target in assessment.targets)),
        *((reference, bool(assessment.compositions)) for reference in _OF_COMPOSITIONS),
        (_TEXTURE, any(composition.texture for composition in assessment.compositions)),
        *((reference, any(target.is_censored.any() for target in assessment.targets)) for reference in _OF_LIMITS),
        (_ERRORS, any(target.errors.any() for target in assessment.targets)),
        *((reference, kind == assessment.folds.kind) for kind, reference in _OF_FOLDS.items()),
        (_VALIDATION, True),
        (_PAIRED, assessment.folds.count > 1 and len(methods) > 1),
        *((reference, _is_known(scores, name)) for name, reference in _OF_SCORES.items()),
    ]
    return [reference for reference, is_used in found if is_used]


_MIXTURE = Reference(
    "Blend with the weights of the likeliest mixture of held-out predictions",
    "Dempster, A. P., Laird, N. M., Rubin, D. B. (1977). Maximum likelihood from incomplete data via the EM algorithm."
    " Journal of the Royal Statistical Society B 39, 1–38.",
    "10.1111/j.2517-6161.1977.tb01600.x",
)
_TEMPERATURE = Reference(
    "Probabilities calibrated by one temperature",
    "Guo, C., Pleiss, G., Sun, Y., Weinberger, K. Q. (2017). On calibration of modern neural networks. International"
    " Conference on Machine Learning.",
    "10.48550/arXiv.1706.04599",
)
_OF_CLASSES = (
    Reference(
        "Purity and representation of classes",
        "Brus, D. J., Kempen, B., Heuvelink, G. B. M. (2011). Sampling for validation of digital soil maps."
        " European Journal of Soil Science 62, 394–407.",
        "10.1111/j.1365-2389.2011.01364.x",
    ),
    Reference(
        "Brier score",
        "Brier, G. W. (1950). Verification of forecasts expressed in terms of probability."
        " Monthly Weather Review 78, 1–3.",
        "10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2",
    ),
    Reference(
        "Log score and Brier score as strictly proper scores",
        _OF_SCORES["interval_score"].text,
        _OF_SCORES["interval_score"].doi,
    ),
    Reference(
        "Kappa",
        "Cohen, J. (1960). A coefficient of agreement for nominal scales."
        " Educational and Psychological Measurement 20, 37–46.",
        "10.1177/001316446002000104",
    ),
    Reference(
        "Confusion index of a class map",
        "Burrough, P. A., van Gaans, P. F. M., Hootsmans, R. (1997). Continuous classification in soil survey: spatial"
        " correlation, confusion and boundaries. Geoderma 77, 115–135.",
        "10.1016/S0016-7061(97)00018-9",
    ),
)


def class_references(assessment: ClassAssessment) -> list[Reference]:
    """As `references`, of an assessment of classes."""
    of_folds = [_OF_FOLDS[assessment.folds.kind]] if assessment.folds.kind in _OF_FOLDS else []
    blend = [_MIXTURE] if assessment.predictor == BLEND else []
    return [
        *(_NETWORK, _FOREST, _FOREST_CONTEXT, *blend, _TEMPERATURE),
        *(*of_folds, _VALIDATION, *_OF_CLASSES, _PAIRED),
    ]


def _is_known(scores: Iterable[Scores], name: str) -> bool:
    values = [getattr(score, name) for score in scores]
    return any(value is not None and np.isfinite(value) for value in values)


_ONE_STANDARD_ERROR = Reference(
    "Smallest size within one standard error of the best",
    "Breiman, L., Friedman, J. H., Olshen, R. A., Stone, C. J. (1984). Classification and regression trees. Wadsworth,"
    " Belmont, section 3.4.3.",
)


def patch_size_references(folds: str) -> list[Reference]:
    """Of a comparison of patch sizes under this kind of folds."""
    of_folds = [_OF_FOLDS[folds]] if folds in _OF_FOLDS else []
    return [_NETWORK, _FOREST, _FOREST_CONTEXT, _BLEND, _ONE_STANDARD_ERROR, _PAIRED, *of_folds]


_PERMUTATION = Reference(
    "Permutation importance",
    "Fisher, A., Rudin, C., Dominici, F. (2019). All models are wrong, but many are useful: learning a variable's"
    " importance by studying an entire class of prediction models simultaneously. Journal of Machine Learning Research"
    " 20 (177), 1–81.",
    "10.48550/arXiv.1801.01489",
)
_EXPECTED_GRADIENTS = Reference(
    "Contributions to the networks' prediction (expected gradients)",
    "Erion, G., Janizek, J. D., Sturmfels, P., Lundberg, S. M., Lee, S.-I. (2021). Improving performance of"
    " deep learning models with axiomatic attribution priors and expected gradients. Nature Machine Intelligence 3,"
    " 620–631.",
    "10.1038/s42256-021-00343-w",
)
_CAPTUM = Reference(
    "Library for the gradients",
    "Kokhlikyan, N. et al. (2020). Captum: a unified and generic model interpretability library for PyTorch.",
    "10.48550/arXiv.2009.07896",
)
_TREE_SHAPLEY = Reference(
    "Contributions to the forest's prediction (Shapley values)",
    "Lundberg, S. M. et al. (2020). From local explanations to global understanding with explainable AI for trees."
    " Nature Machine Intelligence 2, 56–67.",
    "10.1038/s42256-019-0138-9",
)
_MAPPED = Reference(
    "Mapped contributions in digital soil mapping",
    "Padarian, J., McBratney, A. B., Minasny, B. (2020). Game theory interpretation of digital soil mapping"
    " convolutional neural networks. SOIL 6, 389–397.",
    "10.5194/soil-6-389-2020",
)


def explanation_references(has_map: bool, has_forest: bool) -> list[Reference]:
    """Of an explanation, with a map of contributions and a forest in the blend or without."""
    of_map = [_EXPECTED_GRADIENTS, _CAPTUM, *([_TREE_SHAPLEY] if has_forest else []), _MAPPED]
    return [_PERMUTATION, *(of_map if has_map else [])]
