"""What the apps of `make workloads` answer with as JSON: lists of records of about so many KiB."""

RECORD_BYTES = 64  # what one record takes, about


def document(kib):
    return [{"id": number, "name": f"record {number:06}", "tags": ["a", "b"], "ok": True}
            for number in range(kib * 1024 // RECORD_BYTES)]


DOCUMENTS = {"1": document(1), "64": document(64)}
