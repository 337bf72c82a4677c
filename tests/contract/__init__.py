"""One suite per port, run against every implementation and its fake."""

import pytest

pytest.register_assert_rewrite("tests.contract.connector_contract", "tests.contract.site")
