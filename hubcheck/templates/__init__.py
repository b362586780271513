"""The template of `hubcheck new`, and what writes it. Imports author's transactions and util."""
