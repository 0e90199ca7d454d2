"""The networks in JAX, for comparison (benches/peers/neural runs the benchmark).

neural_jax.py reference FILE          writes inputs, initial weights and the losses of 50 steps of each architecture, for the
                                      test crates/neural/src/tests/jax.rs
neural_jax.py train FOLDER FORM       trains the jobs that `neural prepare` wrote, and prints job-epochs per second; FORM is
                                      `loop` (one job after another) or `vmap` (all at once)

The convolution is implemented as such: two taps, causal, dilations 1, 2, 4, …, over all bars of the window. Only the output of
the last bar is used.
"""

import json
import os
import sys
import time

import jax
import jax.numpy as jnp
import numpy
import optax


def shapes(window, width, blocks, features, heads):
    """The shapes of weights and biases, in the order of a network's parameters."""
    layers = [(features, width)]
    dilation = 1
    while dilation < window:
        layers.append((2 * width, width))
        dilation *= 2
    layers += [(width, width)] * blocks + [(width, heads)]
    return [shape for inputs, outputs in layers for shape in ((inputs, outputs), (outputs,))]


def split(parameters, sizes):
    parts, at = [], 0
    for size in sizes:
        count = int(numpy.prod(size))
        parts.append(parameters[at : at + count].reshape(size))
        at += count
    return parts


def scores(parameters, inputs):
    """`inputs` are `[rows, bars, features]`."""
    bars = inputs.shape[1]
    layers = list(zip(parameters[::2], parameters[1::2]))
    hidden = jax.nn.relu(inputs @ layers[0][0] + layers[0][1])
    used, dilation = 1, 1
    while dilation < bars:
        weights, biases = layers[used]
        width = hidden.shape[2]
        # Two taps: the bar one dilation earlier, and the bar itself.
        kernel = jnp.stack([weights[:width], weights[width:]])
        out = jax.lax.conv_general_dilated(
            hidden,
            kernel,
            window_strides=(1,),
            padding=[(dilation, 0)],
            rhs_dilation=(dilation,),
            dimension_numbers=("NWC", "WIO", "NWC"),
        )
        hidden = hidden + jax.nn.relu(out + biases)
        dilation *= 2
        used += 1
    last = hidden[:, -1]
    for weights, biases in layers[used:-1]:
        last = last + jax.nn.relu(last @ weights + biases)
    return last @ layers[-1][0] + layers[-1][1]


def loss(parameters, inputs, labels, smoothing):
    """The loss of two binary heads and a value: the mean over rows and heads."""
    said = scores(parameters, inputs)
    smooth = labels[:, :2] * (1 - smoothing) + 0.5 * smoothing
    binary = optax.sigmoid_binary_cross_entropy(said[:, :2], smooth)
    value = 0.5 * (said[:, 2:] - labels[:, 2:]) ** 2
    return jnp.mean(jnp.concatenate([binary, value], axis=1))


def optimiser(rate, decay, clip):
    def weights_alone(parameters):
        return [part.ndim == 2 for part in parameters]

    adam = optax.adamw(rate, b1=0.9, b2=0.999, eps=1e-8, weight_decay=decay, mask=weights_alone)
    return optax.chain(optax.clip_by_global_norm(clip), adam) if clip > 0 else adam


def reference(path):
    cases = []
    for window, width, blocks in [(1, 16, 2), (8, 12, 1)]:
        features, heads, rows, steps = 7, 3, 48, 50
        draw = numpy.random.default_rng(window)
        sizes = shapes(window, width, blocks, features, heads)
        initial = numpy.concatenate(
            [(draw.uniform(-1, 1, size) * (6 / size[0]) ** 0.5 * 0.5 if len(size) == 2 else draw.uniform(-0.1, 0.1, size)).ravel() for size in sizes]
        ).astype(numpy.float32)
        inputs = draw.normal(size=(rows, window, features)).astype(numpy.float32)
        labels = numpy.stack(
            [inputs[:, -1, 0] > 0, inputs[:, 0, 1] + draw.normal(size=rows) > 0, inputs[:, -1, 2] - inputs[:, 0, 3]], axis=1
        ).astype(numpy.float32)
        case = {"window": window, "width": width, "blocks": blocks, "smoothing": 0.05, "rate": 0.003, "decay": 0.01, "clip": 0.5}
        adam = optimiser(case["rate"], case["decay"], case["clip"])
        parameters = [jnp.array(part) for part in split(initial, sizes)]
        state = adam.init(parameters)
        losses = []
        for _ in range(steps):
            value, slopes = jax.value_and_grad(loss)(parameters, inputs, labels, case["smoothing"])
            losses.append(float(value))
            changes, state = adam.update(slopes, state, parameters)
            parameters = optax.apply_updates(parameters, changes)
        flat = {"initial": initial, "inputs": inputs.ravel(), "labels": labels.ravel()}
        cases.append(case | {"features": features, "heads": heads, "losses": losses} | {k: [float(x) for x in v] for k, v in flat.items()})
    with open(path, "w") as file:
        json.dump({"by": f"jax {jax.__version__}, optax {optax.__version__}", "cases": cases}, file)
        file.write("\n")


def train(folder, form):
    """Trains one epoch for compiling, then three, of which the best counts. Rows are in their order and there is no dropout;
    a step computes the same as in huracan."""
    with open(os.path.join(folder, "problem.json")) as file:
        problem = json.load(file)
    jobs, rows, features, batch = (problem[key] for key in ("jobs", "rows", "features", "batch"))
    read = lambda name: numpy.fromfile(os.path.join(folder, name), "<f4")
    inputs = jnp.array(read("inputs.f32").reshape(jobs, rows, 1, features))
    labels = jnp.array(read("labels.f32").reshape(jobs, rows, 3))
    sizes = shapes(1, problem["width"], problem["blocks"], features, 3)
    parameters = [split(part, sizes) for part in read("initial.f32").reshape(jobs, -1)]
    adam = optimiser(problem["learning_rate"], problem["weight_decay"], problem["clip_norm"])

    def epoch(parameters, state, inputs, labels):
        total = 0.0
        for start in range(0, rows, batch):
            part = slice(start, min(start + batch, rows))
            value, slopes = jax.value_and_grad(loss)(parameters, inputs[part], labels[part], problem["label_smoothing"])
            changes, state = adam.update(slopes, state, parameters)
            parameters = optax.apply_updates(parameters, changes)
            total += value * (part.stop - part.start)
        return parameters, state, total / rows

    if form == "vmap":
        step = jax.jit(jax.vmap(epoch))
        parameters = [jnp.stack(parts) for parts in zip(*parameters)]
        state = jax.vmap(adam.init)(parameters)
        run = lambda p, s: step(p, s, inputs, labels)
    else:
        step = jax.jit(epoch)
        state = [adam.init(part) for part in parameters]

        def run(p, s):
            done = [step(p[job], s[job], inputs[job], labels[job]) for job in range(jobs)]
            return [d[0] for d in done], [d[1] for d in done], [d[2] for d in done]

    best, losses = float("inf"), []
    for _ in range(4):
        start = time.perf_counter()
        parameters, state, value = jax.block_until_ready(run(parameters, state))
        losses.append(float(jnp.mean(jnp.array(value))))
        if len(losses) > 1:
            best = min(best, time.perf_counter() - start)
    print(json.dumps({"job_epochs_per_s": jobs / best, "losses": losses}))


if __name__ == "__main__":
    if sys.argv[1] == "reference":
        reference(sys.argv[2])
    else:
        train(sys.argv[2], sys.argv[3])
