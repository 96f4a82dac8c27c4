"""The measuring itself, on a machine whose speed nobody knows."""

from benchmarks.perf import measure


def test_a_section_is_measured_with_its_memory_and_the_matrix_rate(monkeypatch):
    monkeypatch.setattr(measure, "_SECONDS", 0.01)
    monkeypatch.setattr(measure, "_MATRIX", 64)
    found = measure.measure_here("encode", 1)
    assert (found.section, found.title) == ("encode", "encoding")
    assert found.images_per_second > 0 and found.gflops > 0
    assert 50 < found.peak_memory_mib < 20_000
