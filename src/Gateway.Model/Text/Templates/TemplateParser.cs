namespace Gateway.Model.Text.Templates;

/// <summary>Parses the statements of a template; what is not supported is refused by name and line.</summary>
internal sealed class TemplateParser
{
    private const int DeepestNesting = 100;
    private readonly ExpressionParser _expressions;
    private int _depth;
    private int _loops;

    private TemplateParser(List<Token> tokens) => _expressions = new ExpressionParser(tokens);

    /// <summary>Whether the template marks what the model writes.</summary>
    public bool HasGenerationBlocks { get; private set; }

    public static (Body Body, bool HasGenerationBlocks) Parse(string source)
    {
        var parser = new TemplateParser(Lexer.Run(source));
        var body = parser.ParseBody();
        if (parser._expressions.Current.Kind != TokenKind.EndOfTemplate)
            throw parser._expressions.Error($"'{parser.UpcomingTag()}' closes nothing; remove it.");
        return (body, parser.HasGenerationBlocks);
    }

    /// <summary>Statements up to one of the tags, which is left for the caller, or to the end of the template.</summary>
    private Body ParseBody(params ReadOnlySpan<string> ends)
    {
        if (++_depth > DeepestNesting)
            throw _expressions.Error($"blocks are nested more than {DeepestNesting} levels deep; simplify the template.");
        var statements = new List<Statement>();
        while (true)
        {
            var token = _expressions.Current;
            if (token.Kind == TokenKind.EndOfTemplate && ends.Length > 0)
                throw _expressions.Error($"'{ends[^1]}' is missing.");
            if (token.Kind == TokenKind.EndOfTemplate || (token.Kind == TokenKind.BlockBegin && IsEnd(UpcomingTag(), ends)))
                break;
            _expressions.Next();
            statements.Add(token.Kind switch
            {
                TokenKind.Text => new TextStatement(token.Text, token.Line),
                TokenKind.OutputBegin => ParseOutput(token.Line),
                _ => ParseTag(token.Line),
            });
        }

        _depth--;
        return new Body(statements);
    }

    private static bool IsEnd(string tag, ReadOnlySpan<string> ends) =>
        ends.Contains(tag) || (ends.Length == 0 && tag.StartsWith("end", StringComparison.Ordinal));

    private string UpcomingTag()
    {
        var at = _expressions.Position;
        _expressions.Position++;
        var name = _expressions.Current.Text;
        _expressions.Position = at;
        return name;
    }

    private OutputStatement ParseOutput(int line)
    {
        var expression = _expressions.Tuple();
        ExpectEnd();
        return new OutputStatement(expression, line);
    }

    private Statement ParseTag(int line)
    {
        var tag = _expressions.ExpectName();
        switch (tag)
        {
            case "if":
                return ParseIf(line);
            case "for":
                return ParseFor(line);
            case "set":
                return ParseSet(line);
            case "with":
                return ParseWith(line);
            case "macro":
                return ParseMacro(line);
            case "call":
                return ParseCall(line);
            case "filter":
                var filtered = ParseFilterChain();
                ExpectEnd();
                return new CaptureStatement(null, filtered, Block("endfilter"), line);
            case "generation":
                HasGenerationBlocks = true;
                ExpectEnd();
                return new GenerationStatement(Block("endgeneration"), line);
            case "break" or "continue" when _loops > 0:
                ExpectEnd();
                return new LoopControlStatement(tag == "break" ? Flow.Break : Flow.Continue, line);
            default:
                throw new TemplateException(
                    TemplateErrorKind.Syntax, $"the statement '{tag}' is not supported here; rewrite the template without it.", line);
        }
    }

    private IfStatement ParseIf(int line)
    {
        var branches = new List<(Expression, Body)>();
        do
        {
            var condition = _expressions.Tuple(withCondition: false);
            ExpectEnd();
            branches.Add((condition, ParseBody("elif", "else", "endif")));
            _expressions.Next();
        }
        while (_expressions.Skip("elif"));

        Body? otherwise = null;
        if (_expressions.Skip("else"))
        {
            ExpectEnd();
            otherwise = ParseBody("endif");
            _expressions.Next();
        }

        _expressions.Expect("endif");
        ExpectEnd();
        return new IfStatement(branches, otherwise, line);
    }

    private ForStatement ParseFor(int line)
    {
        var target = _expressions.Target();
        _expressions.Expect("in");
        var items = _expressions.Tuple(withCondition: false, () => _expressions.IsName("if") || _expressions.IsName("recursive"));
        var filter = _expressions.Skip("if") ? _expressions.Expression() : null;
        if (_expressions.IsName("recursive"))
            throw _expressions.Error("recursive loops are not supported; write a macro.");
        ExpectEnd();
        _loops++;
        var body = ParseBody("else", "endfor");
        _loops--;
        _expressions.Next();
        Body? otherwise = null;
        if (_expressions.Skip("else"))
        {
            ExpectEnd();
            otherwise = ParseBody("endfor");
            _expressions.Next();
        }

        _expressions.Expect("endfor");
        ExpectEnd();
        return new ForStatement(target, items, filter, body, otherwise, line);
    }

    private Statement ParseSet(int line)
    {
        var target = _expressions.Target();
        if (_expressions.Skip("="))
        {
            var value = _expressions.Tuple();
            ExpectEnd();
            return new SetStatement(target, value, line);
        }

        Expression captured = new VariableReference(CaptureStatement.Captured);
        if (_expressions.IsOperator("|"))
            captured = _expressions.Filtered(captured);
        ExpectEnd();
        return new CaptureStatement(target, captured, Block("endset"), line);
    }

    private Expression ParseFilterChain() =>
        _expressions.Filtered(_expressions.FilterOf(new VariableReference(CaptureStatement.Captured)));

    private WithStatement ParseWith(int line)
    {
        var assignments = new List<(Expression, Expression)>();
        while (_expressions.Current.Kind != TokenKind.End)
        {
            if (assignments.Count > 0)
                _expressions.Expect(",");
            var name = new VariableReference(_expressions.ExpectName());
            _expressions.Expect("=");
            assignments.Add((name, _expressions.Expression()));
        }

        ExpectEnd();
        return new WithStatement(assignments, Block("endwith"), line);
    }

    private MacroStatement ParseMacro(int line)
    {
        var name = _expressions.ExpectName();
        return new MacroStatement(name, ParseDefinition(Parameters(), "endmacro"), line);
    }

    private CallStatement ParseCall(int line)
    {
        var parameters = _expressions.IsOperator("(") ? Parameters() : [];
        var callee = new VariableReference(_expressions.ExpectName());
        var arguments = _expressions.CallArguments();
        return new CallStatement(callee, arguments, ParseDefinition(parameters, "endcall"), line);
    }

    private MacroDefinition ParseDefinition(List<(string, Expression?)> parameters, string end)
    {
        ExpectEnd();
        var loops = _loops;
        _loops = 0;
        var (body, names) = _expressions.CollectNames(() => Block(end));
        _loops = loops;
        return new MacroDefinition(parameters, body, names);
    }

    private List<(string Name, Expression? Default)> Parameters()
    {
        var parameters = new List<(string, Expression?)>();
        _expressions.Expect("(");
        while (!_expressions.IsOperator(")"))
        {
            var name = _expressions.ExpectName();
            parameters.Add((name, _expressions.Skip("=") ? _expressions.Expression() : null));
            if (!_expressions.IsOperator(")"))
                _expressions.Expect(",");
        }

        _expressions.Expect(")");
        return parameters;
    }

    /// <summary>A body and its closing tag.</summary>
    private Body Block(string end)
    {
        var body = ParseBody(end);
        _expressions.Next();
        _expressions.Expect(end);
        ExpectEnd();
        return body;
    }

    private void ExpectEnd()
    {
        if (_expressions.Current.Kind != TokenKind.End)
            throw _expressions.Error($"expected the end of the tag, found {_expressions.Current}.");
        _expressions.Next();
    }
}
