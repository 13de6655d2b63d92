"""The `truelike` command, and what it needs besides the services: files, evaluation, a platform on one machine."""

# Importing `shared` drops stale compiled code, before the first compiled function here is looked for.
import shared as shared
