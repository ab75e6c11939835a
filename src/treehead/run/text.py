"""The figures of a finished run as lines of plain text, for the terminal."""

from collections.abc import Iterator

from treehead.metrics.paired import Comparison
from treehead.records.run import BackOff, CalibrationFigures, Metrics

THRESHOLD = 0.8
"""Confidence threshold of the sentence about answers at the deepest confident level."""
MAX_ERROR, COVERAGE = 0.05, 0.9
"""The guarantees that have a sentence."""
HOW_TO_CALIBRATE = "hold some out (data.calibration=0.1 or data.split=90:10), or see treehead calibrate --help"


def metric_lines(metrics: Metrics) -> Iterator[str]:
    """The main figures of a finished run."""
    yield f"{metrics['images']:,} test images, tree {metrics['tree']}, decoder {metrics['decode']}"
    yield from _level_lines(metrics)
    yield _row("full-path accuracy", f"{_percent(metrics['full_path_accuracy'])} of images right at every level")
    yield _row("tree inconsistency", f"{_percent(metrics['tree_inconsistency'])} of images with contradicting answers")
    counts = (f"{height}: {count:,}" for height, count in enumerate(metrics["severity_counts"]))
    yield _row("images by severity", "   ".join(counts))
    yield _row("mean mistake severity", _or_dash(metrics["mistake_severity"]))
    yield _row("HD@k", _at_k(metrics["hd"]))
    overlap = metrics["hierarchical"]
    shares = (("precision", overlap["precision"]), ("recall", overlap["recall"]), ("F1", overlap["f1"]))
    yield _row("hierarchical", "   ".join(f"{name} {_percent(share)}" for name, share in shares))
    if "haf5" in metrics:
        haf5 = metrics["haf5"]
        yield _row("on tree haf5", f"mean mistake severity {_or_dash(haf5['mistake_severity'])}   {_at_k(haf5['hd'])}")
    yield from _calibration_rows(metrics["calibration"])
    yield _back_off_sentence(metrics["levels"], metrics["back_off"])
    yield from _guarantee_sentences(metrics)
    if metrics["alarm"]:
        yield f"WARNING: {metrics['alarm']}"


def _level_lines(metrics: Metrics) -> Iterator[str]:
    """A table with a row for each level."""
    width = max(len("level"), *(len(level) for level in metrics["levels"]))
    yield f"{'level':<{width}}  accuracy   top-5 accuracy    loss   expected calibration error"
    for level in metrics["levels"]:
        known = metrics["known"][level]
        yield (
            f"{level:<{width}}  {_percent(metrics['accuracy'][level]):>8}   {_percent(metrics['top5'][level]):>14}   "
            f"{metrics['loss'][level]:5.3f}   {_percent(metrics['calibration_error'][level]):>26}"
            f"{f'   over {known:,} labelled images' if known < metrics['images'] else ''}"
        )


def _row(name: str, text: str) -> str:
    return f"{name:<22} {text}"


def _at_k(hd: dict[str, float]) -> str:
    return "   ".join(f"HD@{k} {value:.3f}" for k, value in hd.items())


def _calibration_rows(calibration: CalibrationFigures) -> Iterator[str]:
    if not calibration["images"]:
        yield _row("calibration", f"none: {calibration['source']}; {HOW_TO_CALIBRATE}")
        return
    weights = (f"{level} {weight:.2f}" for level, weight in calibration["weights"].items())
    yield _row("weights of the heads", f"{'   '.join(weights)}   fitted on {calibration['source']}")
    before, after = calibration["before"]["loss"], calibration["after"]["loss"]
    losses = (f"{level} {before[level]:.3f} -> {after[level]:.3f}" for level in after)
    yield _row("log-loss, calibrated", "   ".join(losses))


def _guarantee_sentences(metrics: Metrics) -> Iterator[str]:
    for bound in metrics["guarantees"]["risk_control"]:
        if bound["max_error"] == MAX_ERROR:
            shares = ", ".join(f"{_percent(bound['answered'][level], 1)} at {level}" for level in metrics["levels"])
            yield (
                f"Asked for at most {_percent(MAX_ERROR, 0)} errors: {_percent(bound['error'], 1)} of images are "
                f"answered wrongly ({_percent(bound['low'], 1)} to {_percent(bound['high'], 1)}); answers {shares}"
            )
    for sets in metrics["guarantees"]["sets"]:
        if sets["asked"] == COVERAGE:
            yield (
                f"{_percent(COVERAGE, 0)} prediction sets: {_percent(sets['coverage'], 1)} contain the truth "
                f"({_percent(sets['low'], 1)} to {_percent(sets['high'], 1)}), with {sets['nodes']:.1f} classes on "
                "average"
            )


def _back_off_sentence(levels: list[str], back_off: BackOff) -> str:
    at = back_off["threshold"].index(THRESHOLD)
    shares = [f"{_percent(back_off['answered'][level][at], 1)} a {level}-level answer" for level in levels]
    shares[0] = shares[0].replace(" a ", " of images get a ", 1)
    nothing, risk = _percent(1 - back_off["coverage"][at], 1), back_off["risk"][at]
    wrong = "" if risk is None else f"; {_percent(risk, 1)} of the answers are wrong"
    return f"At an {100 * THRESHOLD:.0f} % threshold, {', '.join(shares)}, {nothing} no answer{wrong}"


def comparison_lines(comparison: Comparison, first: str, second: str) -> Iterator[str]:
    """Every metric of two runs with its difference and interval, then McNemar's test of every level's accuracy."""
    yield f"{comparison.images:,} test images, {first} -> {second}, difference with 95 % interval over the images"
    for level, known in comparison.known.items():
        if known < comparison.images:
            yield f"  {level} over {known:,} labelled images"
    for row in comparison.differences:
        remark = "not significant" if row.is_noise else "significant"
        yield (
            f"  {row.metric:<28} {row.first:8.4f} -> {row.second:7.4f}   {row.difference:+8.4f}   "
            f"{row.low:+8.4f} to {row.high:+8.4f}   {remark}"
        ).rstrip()
    for level, test in comparison.mcnemar.items():
        yield (
            f"  McNemar's test, {level}: {test.only_first:,} images right in {first} only, "
            f"{test.only_second:,} in {second} only, p = {test.p:.3g}"
        )


def decoder_lines(metrics: Metrics) -> Iterator[str]:
    """A table of the run's figures under every decoder."""
    levels, decoders = metrics["levels"], metrics["decoders"]
    width = max(len("decoder"), *(len(kind) for kind in decoders)) + 2
    heads = "".join(f"{level:>{_width(level)}}" for level in levels)
    severities = "  ".join(f"{f'sev {height}':>6}" for height in range(len(levels) + 1))
    ranks = list(metrics["hd"])
    hds = "".join(f"{f'HD@{k}':>8}" for k in ranks)
    yield f"{'decoder':<{width}}{heads}  {severities}{'MS':>8}{hds}{'FPA':>9}{'TICE':>9}"
    for kind, row in decoders.items():
        shares = "".join(f"{100 * row['accuracy'][level]:>{_width(level)}.2f}" for level in levels)
        counts = "  ".join(f"{count:6,}" for count in row["severity_counts"])
        hd = "".join(f"{row['hd'][k]:>8.3f}" for k in ranks)
        fpa, tice = 100 * row["full_path_accuracy"], 100 * row["tree_inconsistency"]
        yield f"{kind:<{width}}{shares}  {counts}{_or_dash(row['mistake_severity']):>8}{hd}{fpa:>9.2f}{tice:>9.2f}"
    yield "accuracy of each level, FPA (full-path accuracy) and TICE (tree inconsistency) in percent;"
    yield "sev: number of images by severity; MS: mean mistake severity; HD@k: mean severity of the k best leaves"


def _width(level: str) -> int:
    return max(len(level), 7) + 2


def _percent(share: float, digits: int = 2) -> str:
    return f"{100 * share:.{digits}f} %"


def _or_dash(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
