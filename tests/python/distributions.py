"""Values of distributions by SciPy: distributions.py JOB RESULT

JOB is {"points": [...], "degrees": [...], "shares": [...]}; RESULT gets the normal distribution and Student's t with each
number of degrees at the points, and the normal quantiles of the shares.
"""

import json
import sys

from scipy import special


def main():
    with open(sys.argv[1]) as file:
        job = json.load(file)
    result = {
        "normal": special.ndtr(job["points"]).tolist(),
        "quantile": special.ndtri(job["shares"]).tolist(),
        "student": [special.stdtr(degrees, job["points"]).tolist() for degrees in job["degrees"]],
    }
    with open(sys.argv[2], "w") as file:
        json.dump(result, file)


if __name__ == "__main__":
    main()
