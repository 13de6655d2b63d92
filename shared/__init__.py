from shared.compiled import drop_stale

# Before the first compiled function is looked for.
drop_stale()
