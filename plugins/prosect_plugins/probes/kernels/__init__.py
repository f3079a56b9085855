"""Numbers without labels: neighbours, classifiers, scores. Arrays in, arrays out."""
