"""Cross-validate with scikit-learn: its digits data set, with a label tree of two levels.

python examples/cross_validation.py
"""

from sklearn.datasets import load_digits
from sklearn.model_selection import StratifiedKFold, cross_val_score

from treehead import TreeHeadClassifier

OUTLINE = {digit: "round" if digit in (0, 3, 6, 8, 9) else "straight" for digit in range(10)}


def main(*, epochs: int = 5, folds: int = 3) -> None:
    rows, digits = load_digits(return_X_y=True)  # (N, 64): 8 x 8 grey pixels per row
    classifier = TreeHeadClassifier(
        tree=OUTLINE,
        image_shape=(8, 8),
        config={
            "train.epochs": epochs,
            "train.batch_size": 64,
            "network.stages": [{"width": 32}, {"width": 64}],
            "augment.flip": False,  # a mirrored digit is not a digit
            "augment.crop_px": 1,
        },
    )
    parts = StratifiedKFold(folds, shuffle=True, random_state=0)
    scores = cross_val_score(classifier, rows, digits, cv=parts)
    for fold, score in enumerate(scores, start=1):
        print(f"fold {fold}: {100 * score:.1f} % accuracy")


if __name__ == "__main__":
    main()
