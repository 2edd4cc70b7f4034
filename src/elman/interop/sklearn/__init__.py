"""Estimators of scikit-learn's kind: sequences in, classes, numbers or a forecast out.

    from elman.interop.sklearn import SequenceClassifier

    GridSearchCV(SequenceClassifier(), {"arch": ["gru(?)", "lstm(?)"], "units": [16, 32]}).fit(X, y)

The way through the files: `reading.py` says what X may be, `preparing.py` prepares it as the
data room does, `estimator.py` trains and predicts, `supervised.py` and `forecasting.py` are the
estimators, and `engine.py` shares the processor's cores.
"""

from elman.errors import MissingPackageError

try:
    from sklearn.utils.validation import validate_data as _  # noqa: F401
except ImportError as missing:
    raise MissingPackageError(
        "elman.interop.sklearn expected scikit-learn 1.6 or later, which is not installed. "
        'Install it: pip install "elman[sklearn]".'
    ) from missing

from elman.interop.sklearn.estimator import SequenceEstimator
from elman.interop.sklearn.forecasting import SequenceForecaster
from elman.interop.sklearn.supervised import SequenceClassifier, SequenceRegressor

__all__ = ["SequenceClassifier", "SequenceEstimator", "SequenceForecaster", "SequenceRegressor"]
