"""portcall: which application do these packets belong to?"""
