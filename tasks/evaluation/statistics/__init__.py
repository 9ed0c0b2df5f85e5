"""The one place for statistics: intervals, resampling, fits and estimators."""
