"""The pages: one module per word of the trade, thin over its rules.

A page reads what was typed, opens one visible transaction, calls a rule and says what happened. `page`
holds what every page does, `gate` what every request goes through, `cache` what public pages gain.
"""
