"""Compares hps-loop with PyTorch and the public `hpsv2` package on the same work.

Both sides take turns, so that a change of the machine's speed meets both. Times are
medians over all rounds; "x f32" and "x bf16" say how many times faster a line is than
the quickest line of PyTorch in f32 and in bf16. Memory is the peak of the process.

  gemm       the linear layers of ViT-H/14's image tower for eight pictures
  conv       3x3, 256 to 256 channels at 256x256, as in a Stable Diffusion decoder
  attention  8 heads of 40, 4096 queries and keys, as in a UNet at 512x512
  clip       ViT-H/14's image tower on eight pictures, made-up weights
  score      photographs end to end: read, decode, resize, score (needs --checkpoint)

Needs (PyPI): torch open_clip_torch; for score also hpsv2 safetensors scikit-image
Build first: cargo build --release
Usage: python scripts/bench_peers.py [--only gemm,conv,...] [--quick] [--json FILE]
       python scripts/bench_peers.py --only score --checkpoint target/full-size/full.safetensors

`scripts/check_full_checkpoint.py` makes the checkpoint; with --pt also the .pt file that
`hpsv2` loads in its usual way, which is taken if it lies beside the other.
"""

import argparse
import copy
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SECTIONS = ["gemm", "conv", "attention", "clip", "score"]
PRECISIONS = ["f32", "accurate", "fast"]
PROMPT = "A photograph"
FLAGS = ["avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile", "amx_bf16"]


# A process starts with the peak memory of the one that it was made by, which here has PyTorch
# in it; so a small one starts what is measured, and writes seconds, kilobytes and exit status.
LAUNCHER = """
import json, os, subprocess, sys, time
begun = time.perf_counter()
child = subprocess.Popen(sys.argv[2:])
_, status, usage = os.wait4(child.pid, 0)
with open(sys.argv[1], "w") as file:
    json.dump([time.perf_counter() - begun, usage.ru_maxrss, os.waitstatus_to_exitcode(status)], file)
"""


def launch(command, line=lambda text: None):
    """Runs a command; returns its output, seconds and peak memory in MB. `line` gets each line at once."""
    with tempfile.NamedTemporaryFile("r") as report:
        launcher = [sys.executable, "-c", LAUNCHER, report.name, *command]
        with subprocess.Popen(launcher, stdout=subprocess.PIPE, text=True) as child:
            out = []
            for text in child.stdout:
                out.append(text)
                line(text)
        seconds, kilobytes, status = json.load(report) if child.returncode == 0 else (0, 0, child.returncode)
    if status:
        raise SystemExit(f"{' '.join(command)} ended with {status}")
    return "".join(out), seconds, kilobytes / 1024


def note(text):
    """Says what is being measured; the results go to standard output."""
    print(f"  {text} ...", file=sys.stderr, flush=True)


def machine():
    """The processor and what its cores can do."""
    with open("/proc/cpuinfo") as file:
        fields = dict(line.split(":", 1) for line in file.read().split("\n\n")[0].splitlines() if ":" in line)
    fields = {name.strip(): value.strip() for name, value in fields.items()}
    flags = [flag for flag in FLAGS if flag in fields.get("flags", "").split()]
    return {"processor": fields.get("model name"), "flags": flags, "cores": len(os.sched_getaffinity(0))}


# The peers --------------------------------------------------------------------------------------


def timed(work, runs, autocast=False):
    """Seconds of each run, after one that does not count. Autocast keeps converted weights
    as long as it lasts, and only without inference mode, so all runs share it."""
    import torch

    seconds = []
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
        for run in range(runs + 1):
            begun = time.perf_counter()
            work()
            if run:
                seconds.append(time.perf_counter() - begun)
    return seconds


def gemm_peers(rows, columns, inner):
    import torch

    x, w = torch.randn(rows, inner), torch.randn(columns, inner)
    xb, wb = x.bfloat16(), w.bfloat16()
    linear = torch.nn.functional.linear
    return {"PyTorch f32": lambda: linear(x, w), "PyTorch bf16": lambda: linear(xb, wb)}


def conv_peers(channels, side):
    import torch

    x, w = torch.randn(1, channels, side, side), torch.randn(channels, channels, 3, 3)
    xb, wb = x.bfloat16(), w.bfloat16()
    xl, wl = (t.contiguous(memory_format=torch.channels_last) for t in (xb, wb))
    conv = torch.nn.functional.conv2d
    return {
        "PyTorch f32": lambda: conv(x, w, padding=1),
        "PyTorch bf16": lambda: conv(xb, wb, padding=1),
        "PyTorch bf16, channels last": lambda: conv(xl, wl, padding=1),
    }


def attention_peers(heads, length, size):
    import torch

    q, k, v = (torch.randn(1, heads, length, size) for _ in range(3))
    qb, kb, vb = (t.bfloat16() for t in (q, k, v))
    attend = torch.nn.functional.scaled_dot_product_attention
    return {"PyTorch f32": lambda: attend(q, k, v), "PyTorch bf16": lambda: attend(qb, kb, vb)}


def clip_peers(batch):
    import open_clip
    import torch

    tower = open_clip.create_model("ViT-H-14", pretrained=None).visual.eval()
    low = copy.deepcopy(tower).bfloat16()
    x = torch.randn(batch, 3, 224, 224)
    xb = x.bfloat16()

    return {
        "PyTorch f32": lambda: tower(x),
        "PyTorch bf16 autocast": lambda: tower(x),
        "PyTorch bf16 weights": lambda: low(xb),
    }


# Kernels ----------------------------------------------------------------------------------------


def cases(args):
    """Name, maker of the peers, and the arguments of `hps-loop bench`, per section."""
    products = [(2056, 3840, 1280), (2056, 1280, 1280), (2056, 5120, 1280), (2056, 1280, 5120)]
    for rows, columns, inner in products[-1:] if args.quick else products:
        shape = f"{rows}x{columns}x{inner}"
        yield "gemm", f"gemm {shape}", lambda s=(rows, columns, inner): gemm_peers(*s), ["gemm", "--shape", shape]
    yield "conv", "conv 3x3 256 at 256x256", lambda: conv_peers(256, 256), ["conv", "--shape", "256x256x3x256"]
    yield (
        "attention", "attention 8 x 4096 x 40", lambda: attention_peers(8, 4096, 40),
        ["attention", "--shape", "1x8x4096x4096x40"],
    )
    yield (
        "clip", f"image tower, batch {args.batch}", lambda: clip_peers(args.batch),
        ["clip", "--batch", str(args.batch), "--prompts", "0"],
    )


def hps_bench(args, command, precision, runs):
    """One case of `hps-loop bench`, and the kernel that it ran on."""
    command = [args.hps_loop, "bench", *command, "--precision", precision, "--runs", str(runs), "--format", "json"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr}")
    found = [case for case in json.loads(done.stdout)["cases"] if case["precision"] == precision]
    if len(found) != 1:
        raise SystemExit(f"{' '.join(command)} has {len(found)} cases of {precision}:\n{done.stdout}")
    return found[0]


def measure(args, name, make_peers, command):
    """Times all lines of one case in turns."""
    runs, rounds = (2, 1) if args.quick else (5, args.rounds)
    note(f"{name}: making weights")
    peers = make_peers()
    seconds, kernel = {}, None
    for _ in range(rounds):
        for line, work in peers.items():
            note(f"{name}: {line}")
            seconds.setdefault(line, []).extend(timed(work, runs, autocast="autocast" in line))
        for precision in args.precision:
            note(f"{name}: hps-loop {precision}")
            case = hps_bench(args, command, precision, runs)
            kernel = case["kernel"]
            # One number per round that stands for its runs.
            seconds.setdefault(f"hps-loop {precision}", []).append(case["median_s"])
    lines = [{"line": line, "seconds": statistics.median(list_)} for line, list_ in seconds.items()]
    return {"case": name, "unit": "s", "kernel": kernel, "lines": with_ratios(lines)}


def with_ratios(lines):
    """Adds how many times faster each line is than the quickest peer of each kind."""
    for kind in ("f32", "bf16"):
        peer = [line["seconds"] for line in lines if not line["line"].startswith("hps-loop") and kind in line["line"]]
        for line in lines:
            line[f"times_{kind}"] = min(peer) / line["seconds"] if peer else None
    return lines


# Photographs ------------------------------------------------------------------------------------


def score_peer(checkpoint, pictures, batch, dtype, counts):
    """Runs in a process of its own: what a user of `hpsv2` does, with its parts."""
    import contextlib

    import torch
    from hpsv2.src.open_clip import create_model_and_transforms, get_tokenizer
    from PIL import Image

    say = lambda **line: print(json.dumps(line), flush=True)
    begun = time.perf_counter()
    model, _, preprocess = create_model_and_transforms(
        "ViT-H-14", None, precision="amp", device="cpu", light_augmentation=True, aug_cfg={}, output_dict=True)
    if checkpoint.endswith(".safetensors"):
        from safetensors.torch import load_file

        # The file holds f16; copying converts, as it does for the usual file.
        model.load_state_dict(load_file(checkpoint))
    else:
        model.load_state_dict(torch.load(checkpoint, map_location="cpu")["state_dict"])
    model.eval()
    say(load_s=time.perf_counter() - begun)
    tokens = get_tokenizer("ViT-H-14")([PROMPT])
    normalize = torch.nn.functional.normalize
    cast = torch.autocast("cpu", dtype=torch.bfloat16) if dtype == "bf16" else contextlib.nullcontext()

    def score(count):
        files = [pictures[i % len(pictures)] for i in range(count)]
        text = normalize(model.encode_text(tokens).float(), dim=-1)
        for start in range(0, count, batch):
            x = torch.stack([preprocess(Image.open(f).convert("RGB")) for f in files[start : start + batch]])
            scores = (normalize(model.encode_image(x).float(), dim=-1) @ text.T)[:, 0].tolist()
        return scores

    with torch.no_grad(), cast:
        say(first=score(1)[0])
        for count in counts:
            begun = time.perf_counter()
            score(count)
            say(count=count, seconds=time.perf_counter() - begun)


def run_score_peer(args, checkpoint, pictures, dtype, counts):
    """Starts the peer; returns its numbers, memory in MB among them."""
    job = json.dumps([checkpoint, pictures, args.batch, dtype, counts])
    found = {"seconds": {}}
    begun = time.perf_counter()

    def line(text):
        # The package prints remarks of its own.
        said = json.loads(text) if text.startswith("{") else {}
        if "first" in said:
            found.update(first_score_s=time.perf_counter() - begun, score=said["first"])
        if "load_s" in said:
            found["load_s"] = said["load_s"]
        if "count" in said:
            found["seconds"][said["count"]] = said["seconds"]

    _, _, peak = launch([sys.executable, os.path.abspath(__file__), "--score-peer", job], line)
    return found | {"peak_mb": peak}


def hps_score(args, checkpoint, pictures, precision, count, folder):
    """Scores `count` photographs with the command; returns seconds, memory in MB and scores."""
    pairs = os.path.join(folder, f"pairs-{count}.jsonl")
    with open(pairs, "w") as file:
        for i in range(count):
            file.write(json.dumps({"image": pictures[i % len(pictures)], "prompt": PROMPT}) + "\n")
    command = [
        args.hps_loop, "score", "--pairs", pairs, "--reward", "hps-v2.1", "--weights", f"hps-v2.1={checkpoint}",
        "--precision", precision, "--batch-size", str(args.batch), "--format", "jsonl", "-q",
    ]
    out, seconds, peak = launch(command)
    scores = [json.loads(line)["score"] for line in out.splitlines()]
    assert len(scores) == count, f"{len(scores)} scores for {count} photographs"
    return seconds, peak, scores


def measure_score(args, folder):
    """Whole processes in turns. Images a second come from the difference of two sizes, so
    that starting and loading do not count; those have columns of their own."""
    sys.dont_write_bytecode = True  # leave the folder as it is
    sys.path.insert(0, os.path.join(ROOT, "scripts"))
    from make_photos import make_photos

    pictures = make_photos(folder)
    counts = (8, 16) if args.quick else (16, 48)
    beside = os.path.splitext(args.checkpoint)[0] + ".pt"
    peer_checkpoint = beside if os.path.exists(beside) else args.checkpoint
    rounds = 1 if args.quick else args.rounds
    hps_score(args, args.checkpoint, pictures, args.precision[0], 1, folder)  # fills the caches of files and digests
    results = {}

    def keep(line, rate, first, load, peak, score):
        values = {"images_per_s": rate, "first_score_s": first, "load_s": load, "peak_mb": peak, "score": score}
        for key, value in values.items():
            results.setdefault(line, {}).setdefault(key, []).append(value)

    rate = lambda few, many: (counts[1] - counts[0]) / (many - few)
    for _ in range(rounds):
        for dtype in ("f32", "bf16"):
            note(f"score: hpsv2 {dtype}")
            found = run_score_peer(args, peer_checkpoint, pictures, dtype, counts)
            speed = rate(*(found["seconds"][count] for count in counts))
            keep(f"hpsv2 {dtype}", speed, found["first_score_s"], found["load_s"], found["peak_mb"], found["score"])
        for precision in args.precision:
            note(f"score: hps-loop {precision}")
            first, _, scores = hps_score(args, args.checkpoint, pictures, precision, 1, folder)
            few, _, _ = hps_score(args, args.checkpoint, pictures, precision, counts[0], folder)
            many, peak, _ = hps_score(args, args.checkpoint, pictures, precision, counts[1], folder)
            keep(f"hps-loop {precision}", rate(few, many), first, None, peak, scores[0])
    lines = []
    for line, values in results.items():
        middle = {key: None if None in list_ else statistics.median(list_) for key, list_ in values.items()}
        lines.append({"line": line, "seconds": 1 / middle["images_per_s"], **middle})
    name = f"score, batch {args.batch}, {len(pictures)} photographs repeated"
    return {"case": name, "unit": "s per image", "counts": counts, "lines": with_ratios(lines)}


# Output -----------------------------------------------------------------------------------------


def show(case):
    """Prints one case as a table."""
    scored = "images_per_s" in case["lines"][0]
    header = ["", case["unit"], "x f32", "x bf16"]
    header += ["images/s", "first score s", "load s", "peak MB", "score"] if scored else []
    number = lambda value, form: "-" if value is None else format(value, form)
    rows = [header]
    for line in case["lines"]:
        row = [line["line"], number(line["seconds"], ".4f"), number(line["times_f32"], ".2f"), number(line["times_bf16"], ".2f")]
        if scored:
            row += [
                number(line["images_per_s"], ".2f"), number(line["first_score_s"], ".2f"), number(line["load_s"], ".2f"),
                number(line["peak_mb"], ".0f"), number(line["score"], ".6f"),
            ]
        rows.append(row)
    widths = [max(len(row[i]) for row in rows) for i in range(len(header))]
    kernel = f" (kernel {case['kernel']})" if case.get("kernel") else ""
    print(f"{case['case']}{kernel}")
    for row in rows:
        print("  " + row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:])), sep="  ")
    print(flush=True)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    listed = lambda known: lambda text: [parser.error(f"unknown: {x}") if x not in known else x for x in text.split(",")]
    parser.add_argument("--only", type=listed(SECTIONS), default=SECTIONS, metavar="SECTIONS")
    parser.add_argument("--precision", type=listed(PRECISIONS), default=PRECISIONS, metavar="PRECISIONS")
    parser.add_argument("--batch", type=int, default=8, help="pictures in a forward pass")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each side")
    parser.add_argument("--quick", action="store_true", help="one turn, fewer runs")
    parser.add_argument("--checkpoint", metavar="PATH", help="full-size weights for the section score")
    parser.add_argument("--hps-loop", default=os.path.join(ROOT, "target", "release", "hps-loop"), metavar="PATH")
    parser.add_argument("--threads", type=int, help="threads of both sides; by default all cores")
    parser.add_argument("--json", metavar="FILE", help="write all numbers to this file")
    parser.add_argument("--score-peer", help=argparse.SUPPRESS)
    return parser.parse_args()


def main():
    args = arguments()
    warnings.filterwarnings("ignore")
    if args.score_peer:
        return score_peer(*json.loads(args.score_peer))
    if args.threads:
        os.environ |= {"OMP_NUM_THREADS": str(args.threads), "HPS_LOOP_THREADS": str(args.threads)}
    if "score" in args.only and not args.checkpoint:
        print("no --checkpoint, so score is left out\n")
        args.only = [section for section in args.only if section != "score"]
    import torch

    about = machine() | {"torch": torch.__version__, "threads": torch.get_num_threads()}
    print(f"{about['processor']}, {about['cores']} cores, {' '.join(about['flags'])}")
    print(f"PyTorch {about['torch']} with {about['threads']} threads\n", flush=True)
    results = []

    def keep(result):
        results.append(result)
        show(result)
        if args.json:
            # After every case, so that a stop loses nothing.
            with open(args.json, "w") as file:
                json.dump({"machine": about, "cases": results}, file, indent=1)

    for section, name, peers, command in cases(args):
        if section in args.only:
            keep(measure(args, name, peers, command))
    if "score" in args.only:
        with tempfile.TemporaryDirectory() as folder:
            keep(measure_score(args, folder))


if __name__ == "__main__":
    main()
