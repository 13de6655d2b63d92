# Importing `shared` drops stale compiled code, before the first compiled function here is looked for.
import shared as shared
