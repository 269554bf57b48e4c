"""What both bundled apps compute, so that they differ in nothing but how they wait."""


def count_primes(n):
    """Primes below n, by trial division: slow on purpose, and easy to check (1,000 -> 168)."""
    count = 0
    for candidate in range(2, n):
        divisor = 2
        while divisor * divisor <= candidate:
            if candidate % divisor == 0:
                break
            divisor += 1
        else:
            count += 1
    return count


def query_int(request, name, least, most):
    """The query parameter as a number, `least` if it isn't there, None if it is no such number."""
    text = request.query.get(name, str(least))
    if not (text.isascii() and text.isdigit() and len(text) <= 10):
        return None
    value = int(text)
    return value if least <= value <= most else None
