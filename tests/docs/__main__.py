"""`python -m tests.docs`: write the pages of the checkout that are generated."""

from tests.docs.generated import write

write()
