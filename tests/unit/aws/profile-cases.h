/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Config and credentials files and their merge as profiles_render() writes it.  The first rows carry the
 * values of the cases the AWS SDKs share; the rows after them are our own.
 */

struct profile_case {
        const char *name, *config, *credentials;
        const char *json;  /* NULL: refused */
        const char *error; /* part of the message */
};

static const struct profile_case profile_cases[] = {
        { "Empty files have no profiles", "", "", "{\"profiles\":{},\"sso_sessions\":{},\"services\":{}}", NULL },
        { "Empty profiles have no properties", "[profile foo]", "",
          "{\"profiles\":{\"foo\":{}},\"sso_sessions\":{},\"services\":{}}", NULL },
        { "Profile names support alphanumeric characters and - / . % @ _ : +",
          "[profile some-thing:long/the_one%only.foo@bar+]\n"
          "[profile foo!bar]",
          "",
          "{\"profiles\":{\"some-thing:long/the_one%only.foo@bar+\":{}},\"sso_sessions\":{},\"ser"
          "vices\":{}}",
          NULL },
        { "Profile definitions must end with brackets", "[profile foo", "", NULL,
          "Profile definition must end with ']'" },
        { "Profile names should be trimmed",
          "[profile \x09"
          "foo \x09]",
          "", "{\"profiles\":{\"foo\":{}},\"sso_sessions\":{},\"services\":{}}", NULL },
        { "Tabs can separate profile names from profile prefix",
          "[profile\x09"
          "foo]",
          "", "{\"profiles\":{\"foo\":{}},\"sso_sessions\":{},\"services\":{}}", NULL },
        { "Properties must be defined in a profile", "name = value", "", NULL, "Expected a profile definition" },
        { "Profiles can contain properties",
          "[profile foo]\n"
          "name = value",
          "", "{\"profiles\":{\"foo\":{\"name\":\"value\"}},\"sso_sessions\":{},\"services\":{}}", NULL },
        { "Windows style line endings are supported",
          "[profile foo]\x0D\n"
          "name = value",
          "", "{\"profiles\":{\"foo\":{\"name\":\"value\"}},\"sso_sessions\":{},\"services\":{}}", NULL },
        { "Equals signs are supported in property values",
          "[profile foo]\n"
          "name = val=ue",
          "", "{\"profiles\":{\"foo\":{\"name\":\"val=ue\"}},\"sso_sessions\":{},\"services\":{}}", NULL },
        { "Unicode characters are supported in property values",
          "[profile foo]\n"
          "name = \xC3\xB0\xC5\xB8\xCB\x9C\xE2\x80\x9A",
          "",
          "{\"profiles\":{\"foo\":{\"name\":\"\xC3\xB0\xC5\xB8\xCB\x9C\xE2\x80\x9A\"}},\"sso_sess"
          "ions\":{},\"services\":{}}",
          NULL },
        { "Profiles can contain multiple properties",
          "[profile foo]\n"
          "name = value\n"
          "name2 = value2",
          "",
          "{\"profiles\":{\"foo\":{\"name\":\"value\",\"name2\":\"value2\"}},\"sso_sessions\":{},"
          "\"services\":{}}",
          NULL },
        { "Profiles can contain multiple properties",
          "[profile foo]\n"
          "name = value\n"
          "name2 = value2",
          "",
          "{\"profiles\":{\"foo\":{\"name\":\"value\",\"name2\":\"value2\"}},\"sso_sessions\":{},"
          "\"services\":{}}",
          NULL },
        { "Property keys and values are trimmed",
          "[profile foo]\n"
          "name \x09=  \x09value \x09",
          "", "{\"profiles\":{\"foo\":{\"name\":\"value\"}},\"sso_sessions\":{},\"services\":{}}", NULL },
        { "Property values can be empty",
          "[profile foo]\n"
          "name =",
          "", "{\"profiles\":{\"foo\":{\"name\":\"\"}},\"sso_sessions\":{},\"services\":{}}", NULL },
        { "Property key cannot be empty",
          "[profile foo]\n"
          "= value",
          "", NULL, "Property did not have a name" },
        { "Property definitions must contain an equals sign",
          "[profile foo]\n"
          "key : value",
          "", NULL, "Expected an '=' sign defining a property" },
        { "Multiple profiles can be empty",
          "[profile foo]\n"
          "[profile bar]",
          "", "{\"profiles\":{\"bar\":{},\"foo\":{}},\"sso_sessions\":{},\"services\":{}}", NULL },
        { "Multiple profiles can have properties",
          "[profile foo]\n"
          "name = value\n"
          "[profile bar]\n"
          "name2 = value2",
          "",
          "{\"profiles\":{\"bar\":{\"name2\":\"value2\"},\"foo\":{\"name\":\"value\"}},\"sso_sess"
          "ions\":{},\"services\":{}}",
          NULL },
        { "Blank lines are ignored",
          "\x09 \n"
          "[profile foo]\n"
          "\x09\n"
          " \n"
          "name = value\n"
          "\x09 \n"
          "[profile bar]\n"
          " \x09",
          "",
          "{\"profiles\":{\"bar\":{},\"foo\":{\"name\":\"value\"}},\"sso_sessions\":{},\"services"
          "\":{}}",
          NULL },
        { "Pound sign comments are ignored",
          "# Comment\n"
          "[profile foo] # Comment\n"
          "name = value # Comment with # sign",
          "", "{\"profiles\":{\"foo\":{\"name\":\"value\"}},\"sso_sessions\":{},\"services\":{}}", NULL },
        { "Semicolon sign comments are ignored",
          "; Comment\n"
          "[profile foo] ; Comment\n"
          "name = value ; Comment with ; sign",
          "", "{\"profiles\":{\"foo\":{\"name\":\"value\"}},\"sso_sessions\":{},\"services\":{}}", NULL },
        { "All comment types can be used together",
          "# Comment\n"
          "[profile foo] ; Comment\n"
          "name = value # Comment with ; sign",
          "", "{\"profiles\":{\"foo\":{\"name\":\"value\"}},\"sso_sessions\":{},\"services\":{}}", NULL },
        { "Comments can be empty",
          ";\n"
          "[profile foo];\n"
          "name = value ;\n",
          "", "{\"profiles\":{\"foo\":{\"name\":\"value\"}},\"sso_sessions\":{},\"services\":{}}", NULL },
        { "Comments can be adjacent to profile names",
          "[profile foo]; Adjacent semicolons\n"
          "[profile bar]# Adjacent pound signs",
          "", "{\"profiles\":{\"bar\":{},\"foo\":{}},\"sso_sessions\":{},\"services\":{}}", NULL },
        { "Comments adjacent to values are included in the value",
          "[profile foo]\n"
          "name = value; Adjacent semicolons\n"
          "name2 = value# Adjacent pound signs",
          "",
          "{\"profiles\":{\"foo\":{\"name\":\"value; Adjacent semicolons\",\"name2\":\"value# Adj"
          "acent pound signs\"}},\"sso_sessions\":{},\"services\":{}}",
          NULL },
        { "Property values can be continued on the next line",
          "[profile foo]\n"
          "name = value\n"
          " -continued",
          "",
          "{\"profiles\":{\"foo\":{\"name\":\"value\\n-continued\"}},\"sso_sessions\":{},\"servic"
          "es\":{}}",
          NULL },
        { "Property values can be continued with multiple lines",
          "[profile foo]\n"
          "name = value\n"
          " -continued\n"
          " -and-continued",
          "",
          "{\"profiles\":{\"foo\":{\"name\":\"value\\n-continued\\n-and-continued\"}},\"sso_sessi"
          "ons\":{},\"services\":{}}",
          NULL },
        { "Continuations are trimmed",
          "[profile foo]\n"
          "name = value\n"
          " \x09 -continued \x09 ",
          "",
          "{\"profiles\":{\"foo\":{\"name\":\"value\\n-continued\"}},\"sso_sessions\":{},\"servic"
          "es\":{}}",
          NULL },
        { "Continuation values include pound comments",
          "[profile foo]\n"
          "name = value\n"
          " -continued # Comment",
          "",
          "{\"profiles\":{\"foo\":{\"name\":\"value\\n-continued # Comment\"}},\"sso_sessions\":{"
          "},\"services\":{}}",
          NULL },
        { "Continuation values include semicolon comments",
          "[profile foo]\n"
          "name = value\n"
          " -continued ; Comment",
          "",
          "{\"profiles\":{\"foo\":{\"name\":\"value\\n-continued ; Comment\"}},\"sso_sessions\":{"
          "},\"services\":{}}",
          NULL },
        { "Continuations cannot be used outside of a profile", " -continued", "", NULL,
          "Expected a profile definition" },
        { "Continuations cannot be used outside of a property",
          "[profile foo]\n"
          " -continued",
          "", NULL, "Expected a property definition" },
        { "Continuations reset with profile definitions",
          "[profile foo]\n"
          "name = value\n"
          "[profile foo]\n"
          " -continued",
          "", NULL, "Expected a property definition" },
        { "Duplicate profiles in the same file merge properties",
          "[profile foo]\n"
          "name = value\n"
          "[profile foo]\n"
          "name2 = value2",
          "",
          "{\"profiles\":{\"foo\":{\"name\":\"value\",\"name2\":\"value2\"}},\"sso_sessions\":{},"
          "\"services\":{}}",
          NULL },
        { "Duplicate properties in a profile use the last one defined",
          "[profile foo]\n"
          "name = value\n"
          "name = value2",
          "", "{\"profiles\":{\"foo\":{\"name\":\"value2\"}},\"sso_sessions\":{},\"services\":{}}", NULL },
        { "Duplicate properties in duplicate profiles use the last one defined",
          "[profile foo]\n"
          "name = value\n"
          "[profile foo]\n"
          "name = value2",
          "", "{\"profiles\":{\"foo\":{\"name\":\"value2\"}},\"sso_sessions\":{},\"services\":{}}", NULL },
        { "Duplicate properties in duplicate profiles use the last one defined (case insensitive)",
          "[profile foo]\n"
          "Name = value\n"
          "[profile foo]\n"
          "name = value2",
          "", "{\"profiles\":{\"foo\":{\"name\":\"value2\"}},\"sso_sessions\":{},\"services\":{}}", NULL },
        { "Default profile with profile prefix overrides default profile without prefix when profile prefix is first",
          "[profile default]\n"
          "name = value\n"
          "[default]\n"
          "name2 = value2",
          "", "{\"profiles\":{\"default\":{\"name\":\"value\"}},\"sso_sessions\":{},\"services\":{}}", NULL },
        { "Default profile with profile prefix overrides default profile without prefix when profile prefix is last",
          "[default]\n"
          "name2 = value2\n"
          "[profile default]\n"
          "name = value",
          "", "{\"profiles\":{\"default\":{\"name\":\"value\"}},\"sso_sessions\":{},\"services\":{}}", NULL },
        { "Invalid profile names are ignored",
          "[profile in valid]\n"
          "name = value",
          "[in valid 2]\n"
          "name2 = value2",
          "{\"profiles\":{},\"sso_sessions\":{},\"services\":{}}", NULL },
        { "Invalid property names are ignored",
          "[profile foo]\n"
          "in valid = value",
          "", "{\"profiles\":{\"foo\":{}},\"sso_sessions\":{},\"services\":{}}", NULL },
        { "All valid profile name characters are supported",
          "[profile ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_]", "",
          "{\"profiles\":{\"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_\":{}"
          "},\"sso_sessions\":{},\"services\":{}}",
          NULL },
        { "All valid property name characters are supported",
          "[profile foo]\n"
          "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_ = value",
          "",
          "{\"profiles\":{\"foo\":{\"abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz01234567"
          "89-_\":\"value\"}},\"sso_sessions\":{},\"services\":{}}",
          NULL },
        { "Properties can have sub-properties",
          "[profile foo]\n"
          "s3 =\n"
          " name = value",
          "",
          "{\"profiles\":{\"foo\":{\"s3\":\"\\nname = value\"}},\"sso_sessions\":{},\"services\":"
          "{}}",
          NULL },
        { "Invalid sub-property definitions cause an error",
          "[profile foo]\n"
          "s3 =\n"
          " invalid",
          "", NULL, "Expected an '=' sign defining a sub-property" },
        { "Sub-property definitions can have an empty value",
          "[profile foo]\n"
          "s3 =\n"
          " name =",
          "", "{\"profiles\":{\"foo\":{\"s3\":\"\\nname =\"}},\"sso_sessions\":{},\"services\":{}}", NULL },
        { "Sub-property definitions cannot have an empty name",
          "[profile foo]\n"
          "s3 =\n"
          " = value",
          "", NULL, "Sub-property did not have a name" },
        { "Sub-property definitions can have an invalid name",
          "[profile foo]\n"
          "s3 =\n"
          " in valid = value",
          "",
          "{\"profiles\":{\"foo\":{\"s3\":\"\\nin valid = value\"}},\"sso_sessions\":{},\"service"
          "s\":{}}",
          NULL },
        { "Sub-properties can have blank lines that are ignored",
          "[profile foo]\n"
          "s3 =\n"
          " name = value\n"
          "\x09 \n"
          " name2 = value2",
          "",
          "{\"profiles\":{\"foo\":{\"s3\":\"\\nname = value\\nname2 = value2\"}},\"sso_sessions\""
          ":{},\"services\":{}}",
          NULL },
        { "Profiles duplicated in multiple files are merged",
          "[profile foo]\n"
          "name = value",
          "[foo]\n"
          "name2 = value2",
          "{\"profiles\":{\"foo\":{\"name\":\"value\",\"name2\":\"value2\"}},\"sso_sessions\":{},"
          "\"services\":{}}",
          NULL },
        { "Default profiles with mixed prefixes in the config file ignore the one without prefix when merging",
          "[profile default]\n"
          "name = value\n"
          "[default]\n"
          "name2 = value2\n"
          "[profile default]\n"
          "name3 = value3",
          "",
          "{\"profiles\":{\"default\":{\"name\":\"value\",\"name3\":\"value3\"}},\"sso_sessions\""
          ":{},\"services\":{}}",
          NULL },
        { "Default profiles with mixed prefixes merge with credentials",
          "[profile default]\n"
          "name = value\n"
          "[default]\n"
          "name2 = value2\n"
          "[profile default]\n"
          "name3 = value3",
          "[default]\n"
          "secret=foo",
          "{\"profiles\":{\"default\":{\"name\":\"value\",\"name3\":\"value3\",\"secret\":\"foo\""
          "}},\"sso_sessions\":{},\"services\":{}}",
          NULL },
        { "Duplicate properties between files uses credentials property",
          "[profile foo]\n"
          "name = value",
          "[foo]\n"
          "name = value2",
          "{\"profiles\":{\"foo\":{\"name\":\"value2\"}},\"sso_sessions\":{},\"services\":{}}", NULL },
        { "Config profiles without prefix are ignored",
          "[foo]\n"
          "name = value",
          "", "{\"profiles\":{},\"sso_sessions\":{},\"services\":{}}", NULL },
        { "Credentials profiles with prefix are ignored", "",
          "[profile foo]\n"
          "name = value",
          "{\"profiles\":{},\"sso_sessions\":{},\"services\":{}}", NULL },
        { "Comment characters adjacent to profile decls",
          "[profile foo]; semicolon\n"
          "[profile bar]# pound",
          "", "{\"profiles\":{\"bar\":{},\"foo\":{}},\"sso_sessions\":{},\"services\":{}}", NULL },
        { "Invalid continuation",
          "[profile foo]\n"
          "name = value\n"
          "[profile foo]\n"
          " -continued",
          "", NULL, "Expected a property definition, found continuation" },
        { "sneaky profile name",
          "[profilefoo]\n"
          "name = value\n"
          "[profile bar]",
          "", "{\"profiles\":{\"bar\":{}},\"sso_sessions\":{},\"services\":{}}", NULL },
        { "profile name with extra whitespace",
          "[   profile foo    ]\n"
          "name = value\n"
          "[profile bar]",
          "",
          "{\"profiles\":{\"bar\":{},\"foo\":{\"name\":\"value\"}},\"sso_sessions\":{},\"services"
          "\":{}}",
          NULL },
        { "profile name with extra whitespace in credentials", "",
          "[   foo    ]\n"
          "name = value\n"
          "[profile bar]",
          "{\"profiles\":{\"foo\":{\"name\":\"value\"}},\"sso_sessions\":{},\"services\":{}}", NULL },
        { "properties from an invalid profile name are ignored",
          "[profile foo]\n"
          "name = value\n"
          "[profile in valid]\n"
          "x = 1\n"
          "[profile bar]\n"
          "name = value2",
          "",
          "{\"profiles\":{\"bar\":{\"name\":\"value2\"},\"foo\":{\"name\":\"value\"}},\"sso_sessi"
          "ons\":{},\"services\":{}}",
          NULL },
        { "sso-session with properties",
          "[sso-session foo]\n"
          "name = value\n"
          "[profile bar]",
          "",
          "{\"profiles\":{\"bar\":{}},\"sso_sessions\":{\"foo\":{\"name\":\"value\"}},\"services"
          "\":{}}",
          NULL },
        { "sso-session without the space before the name is a profile", "",
          "[sso-sessionfoo]\n"
          "name = value\n"
          "[bar]",
          "{\"profiles\":{\"bar\":{},\"sso-sessionfoo\":{\"name\":\"value\"}},\"sso_sessions\":{}"
          ",\"services\":{}}",
          NULL },
        { "A typo'd sso-session will be ignored",
          "[sso-sesion foo]\n"
          "name = value\n"
          "[profile bar]",
          "", "{\"profiles\":{\"bar\":{}},\"sso_sessions\":{},\"services\":{}}", NULL },
        { "services with sub-properties",
          "[services local]\n"
          "dynamodb =\n"
          "  endpoint_url = http://localhost:8000 # here\n"
          "s3 =\n"
          "  endpoint_url = http://localhost:9000\n",
          "",
          "{\"profiles\":{},\"sso_sessions\":{},\"services\":{\"local\":{\"dynamodb\":\"\\nendpoi"
          "nt_url = http://localhost:8000 # here\",\"s3\":\"\\nendpoint_url = http://localhost:90"
          "00\"}}}",
          NULL },
        { "comments among sub-properties are skipped",
          "[profile a]\n"
          "s3 =\n"
          " # one\n"
          " x = 1\n"
          " ;two\n"
          " y = 2",
          "",
          "{\"profiles\":{\"a\":{\"s3\":\"\\nx = 1\\ny = 2\"}},\"sso_sessions\":{},\"services\":{"
          "}}",
          NULL },
        { "byte order mark",
          "\xEF\xBB\xBF[profile a]\n"
          "x = 1",
          "\xEF\xBB\xBF[b]\n"
          "y = 2",
          "{\"profiles\":{\"a\":{\"x\":\"1\"},\"b\":{\"y\":\"2\"}},\"sso_sessions\":{},\"services"
          "\":{}}",
          NULL },
        { "indented header",
          " [default]\n"
          "x = 1\n"
          "\x09[profile b]\n",
          "",
          "{\"profiles\":{\"default\":{\"x\":\"1\\n[profile b]\"}},\"sso_sessions\":{},\"services"
          "\":{}}",
          NULL },
        { "last line without an end",
          "[default]\n"
          "x = 1\x0D",
          "", "{\"profiles\":{\"default\":{\"x\":\"1\"}},\"sso_sessions\":{},\"services\":{}}", NULL },
        { "carriage returns in blank lines and continuations",
          "[default]\x0D\n"
          "\x0D\n"
          "x = 1\x0D\n"
          "  2\x0D\n"
          " \x09\x0D\n"
          "  3\x0D\n",
          "", "{\"profiles\":{\"default\":{\"x\":\"1\\n2\\n3\"}},\"sso_sessions\":{},\"services\":{}}", NULL },
        { "value that begins with the sign",
          "[default]\n"
          "x == 1\n"
          "y = = 2",
          "",
          "{\"profiles\":{\"default\":{\"x\":\"= 1\",\"y\":\"= 2\"}},\"sso_sessions\":{},\"servic"
          "es\":{}}",
          NULL },
        { "value that is a comment",
          "[default]\n"
          "x = # nothing\n"
          "y = ; nothing",
          "",
          "{\"profiles\":{\"default\":{\"x\":\"\",\"y\":\"\"}},\"sso_sessions\":{},\"services\":{"
          "}}",
          NULL },
        { "text behind the header", "[profile a] b", "", NULL, "Profile definition must end with ']'" },
        { "brackets in values",
          "[default]\n"
          "x = [profile b]\n"
          " [profile c]",
          "",
          "{\"profiles\":{\"default\":{\"x\":\"[profile b]\\n[profile c]\"}},\"sso_sessions\":{},"
          "\"services\":{}}",
          NULL },
        { "empty header and word without a name",
          "[]\n"
          "x = 1\n"
          "[profile]\n"
          "y = 1\n"
          "[profile ]\n"
          "z = 1\n"
          "[sso-session]\n",
          "[ ]\n"
          "x = 1",
          "{\"profiles\":{},\"sso_sessions\":{},\"services\":{}}", NULL },
        { "syntax is checked in skipped sections",
          "[other]\n"
          "x",
          "", NULL, "Expected an '=' sign defining a property" },
        { "continuation in a skipped section",
          "[other]\n"
          " x",
          "", NULL, "Expected a property definition, found continuation" },
        { "continuation of a skipped property",
          "[default]\n"
          "in valid = 1\n"
          " more\n"
          "y = 2",
          "", "{\"profiles\":{\"default\":{\"y\":\"2\"}},\"sso_sessions\":{},\"services\":{}}", NULL },
        { "sub-properties of a skipped property",
          "[default]\n"
          "in valid =\n"
          " more",
          "", NULL, "Expected an '=' sign defining a sub-property" },
        { "names are case-sensitive, keys are not",
          "[profile A]\n"
          "X = 1\n"
          "[profile a]\n"
          "X = 2\n"
          "x = 3",
          "",
          "{\"profiles\":{\"A\":{\"x\":\"1\"},\"a\":{\"x\":\"3\"}},\"sso_sessions\":{},\"services"
          "\":{}}",
          NULL },
        { "one name in three kinds of section",
          "[profile a]\n"
          "x = 1\n"
          "[sso-session a]\n"
          "x = 2\n"
          "[services a]\n"
          "x = 3",
          "",
          "{\"profiles\":{\"a\":{\"x\":\"1\"}},\"sso_sessions\":{\"a\":{\"x\":\"2\"}},\"services"
          "\":{\"a\":{\"x\":\"3\"}}}",
          NULL },
        { "other kinds are the config file's", "",
          "[sso-session a]\n"
          "x = 1\n"
          "[services b]\n"
          "x = 1\n"
          "[default]\n"
          "y = 1",
          "{\"profiles\":{\"default\":{\"y\":\"1\"}},\"sso_sessions\":{},\"services\":{}}", NULL },
        { "credentials do not weaken a prefixed default",
          "[default]\n"
          "a = 1\n"
          "[profile default]\n"
          "b = 2\n"
          "[default]\n"
          "c = 3",
          "[default]\n"
          "d = 4\n"
          "b = 5",
          "{\"profiles\":{\"default\":{\"b\":\"5\",\"d\":\"4\"}},\"sso_sessions\":{},\"services\""
          ":{}}",
          NULL },
        { "continuation replaces with its property",
          "[default]\n"
          "x = 1\n"
          " 2\n"
          "x = 3",
          "", "{\"profiles\":{\"default\":{\"x\":\"3\"}},\"sso_sessions\":{},\"services\":{}}", NULL },
        { "property right after an empty one",
          "[default]\n"
          "x =\n"
          "y = 1",
          "",
          "{\"profiles\":{\"default\":{\"x\":\"\",\"y\":\"1\"}},\"sso_sessions\":{},\"services\":"
          "{}}",
          NULL },
        { "second file broken",
          "[default]\n"
          "x = 1",
          "[default]\n"
          "x",
          NULL, "credentials file, line 2: Expected an '=' sign defining a property" },
        { "line of the error",
          "# one\n"
          "\n"
          "[default]\n"
          "x = 1\n"
          "= 2",
          "", NULL, "config file, line 5: Property did not have a name" },
};
