"""The pages of the checkout that are generated, and tests of the documentation."""
