"""Memory as the operating system tells it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from soil_cnn_plugin.engine.machine.memory import (
    Memory,
    _control_groups,
    _glibc,
    _read_linux,
    _within_address_space,
    _within_control_group,
    gibibytes,
    is_memory_of_gpu,
    is_perhaps_memory_of_gpu,
    lies_in_memory,
    read_memory,
)


def test_this_computer_has_memory_and_part_of_it_is_free() -> None:
    memory = read_memory()
    assert memory.total is not None and memory.total > 2**28
    assert memory.free is None or 0 < memory.free <= memory.total


def test_linux_counts_the_disk_cache_as_free(tmp_path: Path) -> None:
    (tmp_path / "meminfo").write_text("MemTotal: 2048 kB\nMemFree: 100 kB\nMemAvailable: 1024 kB\nHugePages_Total: 0\n")
    assert _read_linux(tmp_path / "meminfo") == Memory(total=2097152, free=1048576)


def test_a_containers_limit_counts_where_it_is_lower(tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text("1000\n")
    (tmp_path / "memory.current").write_text("400\n")
    assert _within_control_group(Memory(5000, 4000), tmp_path) == Memory(1000, 600)
    (tmp_path / "memory.stat").write_text("anon 150\nfile 250\nshmem 50\nactive_file 80\ninactive_file 120\n")
    assert _within_control_group(Memory(5000, 4000), tmp_path) == Memory(1000, 800)  # of its disk cache all is free
    (tmp_path / "memory.max").write_text("max\n")
    assert _within_control_group(Memory(5000, 4000), tmp_path) == Memory(5000, 4000)


def test_the_limits_of_all_groups_around_a_process_hold(tmp_path: Path) -> None:
    (tmp_path / "own").write_text("1:name=systemd:/x\n0::/system.slice/job_7/step_0\n")
    folders = _control_groups(tmp_path / "own", tmp_path / "cgroup")
    names = ("system.slice/job_7/step_0", "system.slice/job_7", "system.slice", ".")
    assert folders == [tmp_path / "cgroup" / name for name in names]
    assert _control_groups(tmp_path / "missing", tmp_path) == [tmp_path]


def test_limits_of_clusters_with_older_control_groups_hold(tmp_path: Path) -> None:
    (tmp_path / "own").write_text("9:cpu,cpuacct:/a\n4:memory:/slurm/job_7/step_0\n1:name=systemd:/x\n0::/a:b\n")
    root = tmp_path / "cgroup"
    folders = _control_groups(tmp_path / "own", root)
    names = ("a:b", ".", "memory/slurm/job_7/step_0", "memory/slurm/job_7", "memory/slurm", "memory", ".")
    assert folders == [root / name for name in names]
    job = root / "memory/slurm/job_7"
    job.mkdir(parents=True)
    (job / "memory.limit_in_bytes").write_text("1000\n")
    (job / "memory.usage_in_bytes").write_text("400\n")
    (job / "memory.stat").write_text("cache 300\nactive_file 80\ninactive_file 120\n")
    assert _within_control_group(Memory(5000, 4000), job) == Memory(1000, 800)
    (job / "memory.limit_in_bytes").write_text(f"{2**63 - 4096}\n")  # none
    assert _within_control_group(Memory(5000, 4000), job) == Memory(5000, 4000)


def test_a_limit_of_address_space_counts_where_it_is_lower(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    resource = pytest.importorskip("resource", reason="Windows has no such limits")
    (tmp_path / "statm").write_text("100 50 20 1 0 30 0\n")
    page = os.sysconf("SC_PAGE_SIZE")
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (150 * page, 150 * page))
    assert _within_address_space(Memory(5000 * page, 4000 * page), tmp_path / "statm") == Memory(150 * page, 50 * page)
    assert _within_address_space(Memory(5000 * page, 10 * page), tmp_path / "statm") == Memory(150 * page, 10 * page)
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert _within_address_space(Memory(5000, 4000), tmp_path / "statm") == Memory(5000, 4000)


def test_a_folder_is_known_to_lie_in_memory_by_the_innermost_file_system(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(
        "/dev/vda / ext4 rw 0 0\ntmpfs /tmp tmpfs rw 0 0\n/dev/vdb /tmp/on\\040disk xfs rw 0 0\n"
        "tmpfs /mnt tmpfs rw 0 0\n/dev/vdc /mnt ext4 rw 0 0\n"
    )
    folders = ("/tmp/a", "/tmp", "/tmpfiles", "/home/a", "/tmp/on disk/a", "/tmp/on", "/mnt/a")
    in_memory = [folder for folder in folders if lies_in_memory(Path(folder), mounts)]
    assert in_memory == ["/tmp/a", "/tmp", "/tmp/on"]
    assert not lies_in_memory(Path("/tmp"), tmp_path / "missing")


@pytest.mark.parametrize(
    ("words", "is_memory", "is_doubtful"),
    [
        ("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 8.00 GiB", True, False),
        ("CUDA error: out of memory\nCUDA kernel errors might be reported asynchronously", True, False),
        ("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`", True, False),
        ("cuDNN error: CUDNN_STATUS_ALLOC_FAILED", True, False),
        ("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED", True, False),
        ("GET was unable to find an engine to execute this computation", True, True),
        ("FIND was unable to find an engine to execute this computation", True, True),
        ("CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`", True, True),
        ("CUDA error: an illegal memory access was encountered", False, False),
        ("cuDNN error: CUDNN_STATUS_BAD_PARAM", False, False),
        ("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes.", False, False),
    ],
)
def test_the_libraries_of_gpus_tell_in_their_own_words_that_memory_ran_out(
    words: str, is_memory: bool, is_doubtful: bool
) -> None:
    assert is_memory_of_gpu(RuntimeError(words)) == is_memory
    assert is_perhaps_memory_of_gpu(RuntimeError(words)) == is_doubtful


def test_sizes_read_well() -> None:
    assert gibibytes(3 * 2**29) == "1.5 GiB"
    assert gibibytes(5 * 2**20) == "5 MiB"


@pytest.mark.skipif(_glibc() is None, reason="other C libraries keep little")
def test_large_arrays_go_back_to_the_system_within_a_training_alone() -> None:
    within, outside = kept_bytes("training", {})
    assert within < 2**22
    assert outside > 2**25


@pytest.mark.skipif(_glibc() is None, reason="other C libraries keep little")
def test_a_worker_of_dask_keeps_what_the_next_block_needs() -> None:
    before, after = kept_bytes("map", {"MALLOC_TRIM_THRESHOLD_": "65536"})  # as Dask starts its workers
    assert before < 2**22
    assert after > 2**25


def kept_bytes(work: str, variables: dict[str, str]) -> tuple[int, ...]:
    root = Path(__file__).resolve().parents[3]
    done = subprocess.run(
        [sys.executable, "-c", _FREEING, work],
        cwd=root,
        env={**os.environ, **variables},
        stdout=subprocess.PIPE,
        check=True,
    )
    return tuple(map(int, done.stdout.split()))


_FREEING = """
import os
import sys
from pathlib import Path
import numpy as np
from soil_cnn_plugin.engine.machine.memory import giving_back, keep_freed

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

def kept():
    arrays = [np.ones(2**22) for _ in range(6)]
    before = resident()
    del arrays[::2]
    return 3 * arrays[0].nbytes - (before - resident())

if sys.argv[1] == "training":
    with giving_back():
        print(kept())
else:
    print(kept())
    keep_freed()
print(kept())
"""
"""Tells the bytes that stay with a process when every second of some arrays is freed. In a process of its own: one that
ran other tests has room of that size, which it keeps."""
