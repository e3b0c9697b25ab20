"""Record 100 of the MIT-BIH Arrhythmia Database: half an hour of two leads, annotated beats."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from ...ir import Array
from .split import MissingData, find_data

ECG_FILES = ("100.hea", "100.dat", "100.atr")
ECG_SOURCE = "PhysioNet (MIT-BIH Arrhythmia Database, record 100)"
BEAT_SYMBOLS = "NLRBAaJSVrFejnE/fQ"


@dataclass(frozen=True)
class Record:
    """`millivolts` float32 (samples, leads) at `rate_hz`; beats at samples `beats` (int64).

    `symbols` has the annotated kind of each beat (N normal, A atrial premature, V ventricular).
    """

    millivolts: Array
    rate_hz: int
    beats: Array
    symbols: tuple[str, ...]


def ecg_record() -> Record:
    """The whole record; MissingData where its files or the package `wfdb` are not here."""
    folder = find_data("ecg", ECG_FILES, ECG_SOURCE)
    with warnings.catch_warnings():  # wfdb's, about what pandas will no longer do
        warnings.simplefilter("ignore")
        try:
            import wfdb
        except ImportError as error:
            raise MissingData(
                "ecg: found no wfdb, accepted wfdb >= 4.1; run `pip install wfdb`"
            ) from error
        signal = wfdb.rdrecord(str(folder / "100"))
        marks = wfdb.rdann(str(folder / "100"), "atr")
    is_beat = np.array([symbol in BEAT_SYMBOLS for symbol in marks.symbol])
    return Record(
        signal.p_signal.astype(np.float32),
        int(signal.fs),
        np.asarray(marks.sample, np.int64)[is_beat],
        tuple(np.array(marks.symbol)[is_beat].tolist()),
    )
