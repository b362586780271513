"""`python -m tests.docs`: write the pages of the checkout that are generated, and the picture of the README."""

from tests.docs import generated, picture

generated.write()
picture.write()
